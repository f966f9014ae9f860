"""Ways of feeding a model, told apart by what it says about labelled examples."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Part
from edgepress.quality import Metric, Quality, bootstrap
from edgepress.runtime import InputError
from edgepress.runtime.tasks import Task

__all__ = [
    "NoBetterThanChanceError",
    "Tried",
    "all_alike",
    "choose",
    "confirm",
    "enough",
    "least_left",
    "out_of_reach",
    "refuse_chance",
    "some",
]

_log = logging.getLogger("edgepress")
_TRIED = 2000
"""Held-back examples that the candidates are tried on."""
_LEAST_SKILL = 0.28
"""Share of the proper score of the classes' shares alone that a way of feeding must save to count: networks of raw
pixels save less on pixels / 255, and networks of pixels / 255 more, even after a few epochs."""
_AS_GOOD = 1.1
"""How much more a likelier way may leave unexplained than the best, and be as good."""
_FAR = 2.0
"""Half widths of a 95 % interval, about four standard deviations, that a way may be behind the best after the first
examples."""
_TOLD_APART = 0.7
"""Share of answers that are right under another order of the classes, from which on that order is what is wrong."""


class NoBetterThanChanceError(InputError):
    """However the examples are fed, the model answers no better than somebody who looks at none of them."""


class Tried(NamedTuple):
    """One way of feeding the model, on held-back examples."""

    input: str
    """What it is called: `pixels/255`, ..., `as they are`, `standardized`."""
    metric: str
    value: float
    loss: float | None
    """A proper score, where the task has one."""
    examples: int | None = None
    """How many it was tried on, where those were fewer: it was far behind the best already."""

    def record(self) -> dict[str, Any]:
        """For the manifest."""
        return {name: value for name, value in self._asdict().items() if name != "examples" or value is not None}


def some(part: Part, count: int = _TRIED) -> Part:
    """So many of them, evenly spaced, that ways are told apart."""
    if len(part) <= count:
        return part
    chosen: Part = part[np.unique(np.linspace(0, len(part) - 1, count).astype(np.int64))]
    return chosen


def all_alike(part: Part) -> bool:
    """Whether all targets are one: nothing can be told from them (normal examples alone, for instance)."""
    return part.targets is None or len(np.unique(part.targets, axis=0)) < 2


def confirm(
    model: str,
    why: str,
    answers: NDArray[Any],
    task: Task,
    quality: Quality,
    fitted: Part,
    part: Part,
    *,
    accept_chance: bool,
) -> dict[str, Any]:
    """What a model is worth that is fed in the one way that is known, for the manifest; arguments as `choose` has them.

    Raises:
        NoBetterThanChanceError: It is no better than the trivial answer.
    """
    assert part.targets is not None
    assert fitted.targets is not None
    tried = Tried(why, quality.metric.name, quality.metric.of(answers, part.targets), None)
    trivial, better = quality.beats_trivial(answers, fitted.targets, part.targets)
    found: dict[str, Any] = {"tried": [tried.record()], "trivial": trivial, "examples": len(part)}
    if not better:
        refuse_chance(model, [tried], trivial, task, [answers], part, accept_chance=accept_chance)
        found["chance"] = True
    return found


def choose(
    model: str,
    answers: Mapping[str, NDArray[Any]],
    task: Task,
    quality: Quality,
    fitted: Part,
    part: Part,
    *,
    accept_chance: bool,
    behind: Sequence[Tried] = (),
) -> tuple[str, dict[str, Any]]:
    """Which way of feeding a model is the right one, and what was found on the way there, for the manifest.

    Args:
        model: Its name.
        answers: By the way's name, the likeliest first: what the model says about `part`, in the form that is judged.
        task: What it answers.
        quality: How that is judged.
        fitted: What the trivial answer knows.
        part: The examples that were tried.
        accept_chance: Take the likeliest where the model is no better than the trivial answer.
        behind: Ways that are `out_of_reach`, for the record.

    Raises:
        NoBetterThanChanceError: No way is better than the trivial answer; the message has the table.
        InputError: Nothing tells the ways apart; likewise.
    """
    assert part.targets is not None
    assert fitted.targets is not None
    tried, best = _measured(quality, answers, part)
    close = [each for each in tried if not _clearly_better(quality.metric, answers, best, each, part)]
    trivial, better = quality.beats_trivial(answers[best.input], fitted.targets, part.targets)
    found = {"tried": [each.record() for each in (*tried, *behind)], "trivial": trivial, "examples": len(part)}
    if not better:
        refuse_chance(model, tried, trivial, task, list(answers.values()), part, accept_chance=accept_chance)
        return tried[0].input, {**found, "chance": True}
    chosen = _likeliest(quality, answers, close, fitted, part)
    if chosen is None:
        raise InputError(
            f"{model} answers equally well however it is fed ({_table(tried, trivial, len(part))}): say with "
            f"--input which it is: {', '.join(each.input for each in close)}"
        )
    if len(tried) + len(behind) > 1:
        table = _table([*tried, *behind], trivial, len(part))
        _log.info("input of %s: %s, found by trying (%s)", model, chosen.input, table)
    return chosen.input, found


def _measured(quality: Quality, answers: Mapping[str, NDArray[Any]], part: Part) -> tuple[list[Tried], Tried]:
    """Each way, and the best."""
    assert part.targets is not None
    sign = 1 if quality.metric.higher else -1
    tried = [
        Tried(
            why, quality.metric.name, quality.metric.of(given, part.targets),
            None if quality.proper is None else quality.proper.of(given, part.targets),
        )
        for why, given in answers.items()
    ]  # fmt: skip
    return tried, max(tried, key=lambda each: (sign * each.value, -(each.loss or 0.0)))


def out_of_reach(answers: Mapping[str, NDArray[Any]], quality: Quality, fitted: Part, part: Part) -> list[Tried]:
    """Ways that no further examples bring back: as far behind the best as about one in 10,000 would be by chance, were
    they as good. None where the best itself is no better than the trivial answer.

    Args:
        answers: By the way's name: what the model says about `part`, in the form that is judged.
        quality: How that is judged.
        fitted: What the trivial answer knows.
        part: The first examples.
    """
    assert part.targets is not None
    assert fitted.targets is not None
    tried, best = _measured(quality, answers, part)
    if not quality.beats_trivial(answers[best.input], fitted.targets, part.targets)[1]:
        return []
    return [
        each._replace(examples=len(part))
        for each in tried
        if each is not best and _lead(quality.metric, answers, best, each, part) > _FAR
    ]


def _lead(metric: Metric, answers: Mapping[str, NDArray[Any]], best: Tried, other: Tried, part: Part) -> float:
    """How far the best is ahead, in half widths of the paired 95 % interval."""
    assert part.targets is not None
    ahead, low, high = bootstrap(metric, answers[best.input], answers[other.input], part.targets, seed=0, draws=400)
    # The end that is nearer to no difference.
    near = ahead - low if metric.higher else high - ahead
    return abs(ahead) / near if near > 0 else np.inf if ahead else 0.0


def enough(held_back: Part, fitted: Part) -> Part:
    """Held-back examples, and fitted ones where those are few: what a model was fitted to tells its input as well."""
    if len(held_back) >= _TRIED:
        return some(held_back)
    rows = np.unique(np.linspace(0, len(fitted) - 1, min(len(fitted), _TRIED - len(held_back))).astype(np.int64))
    assert held_back.targets is not None
    assert fitted.targets is not None
    inputs = {name: np.concatenate([values, fitted.inputs[name][rows]]) for name, values in held_back.inputs.items()}
    return Part(inputs, np.concatenate([held_back.targets, fitted.targets[rows]]))


def least_left(
    model: str, left: Mapping[str, float], examples: int, *, accept_chance: bool
) -> tuple[str, dict[str, Any]]:
    """Which way of feeding a model is the right one where there are no right answers to tell, as `choose`.

    Args:
        model: Its name.
        left: By the way's name, the likeliest first: the share that the model leaves unexplained.
        examples: How many were tried.
        accept_chance: Take the likeliest where the model explains nothing.

    Raises:
        NoBetterThanChanceError: The model explains nothing however it is fed; the message has the table.
    """
    tried = [Tried(why, "share left", value, None) for why, value in left.items()]
    found: dict[str, Any] = {"tried": [each.record() for each in tried], "trivial": 1.0, "examples": examples}
    least = min(left.values())
    if not least < 1:
        text = f"{model} reconstructs nothing however it is fed ({_table(tried, 1.0, examples)})"
        if not accept_chance:
            raise NoBetterThanChanceError(
                f"{text}: name the input with --input, or the data it was trained on; --accept-chance goes on"
            )
        _log.warning("%s: accepted with --accept-chance", text)
        return tried[0].input, {**found, "chance": True}
    chosen = next(each for each in tried if each.value <= _AS_GOOD * least)
    if len(tried) > 1:
        _log.info("input of %s: %s, found by trying (%s)", model, chosen.input, _table(tried, 1.0, examples))
    return chosen.input, found


def _likeliest(
    quality: Quality, answers: Mapping[str, NDArray[Any]], close: list[Tried], fitted: Part, part: Part
) -> Tried | None:
    """The likeliest of several ways that are right equally often; None where none stands out.

    Many networks are nearly blind to the scale of their input: other logits, the same label. What tells ways apart then
    is the proper score, but the lowest is not the right one: a network that was fitted briefly gains by any larger
    scale. Numbers that are far too small show by a score that is no better than the classes' shares alone.
    """
    if len(close) == 1 or quality.proper is None:
        return close[0]
    assert part.targets is not None
    width = next(iter(answers.values())).shape[1]
    shares = np.bincount(fitted.targets, minlength=width) / len(fitted)  # type: ignore[arg-type]
    nothing = quality.proper.of(np.tile(shares, (len(part), 1)), part.targets)
    told = [each for each in close if each.loss is not None and each.loss <= (1 - _LEAST_SKILL) * nothing]
    if told:
        return told[0]
    first, *others = sorted(close, key=lambda each: each.loss or 0.0)
    lower = all(_clearly_better(quality.proper, answers, first, each, part) for each in others)
    return first if lower else None


def _clearly_better(metric: Metric, answers: Mapping[str, NDArray[Any]], best: Tried, other: Tried, part: Part) -> bool:
    """Paired, 95 %."""
    assert part.targets is not None
    if best is other:
        return False
    _, low, high = bootstrap(metric, answers[best.input], answers[other.input], part.targets, seed=0, draws=400)
    return low > 0 if metric.higher else high < 0


def _other_order(task: Task, answers: NDArray[Any], part: Part) -> str:
    """What to try where the model tells the classes apart, but in another order than the data's; else empty."""
    if not task.classifies or part.targets is None:
        return ""
    count = answers.shape[1]
    said = answers.argmax(axis=1)
    together = np.zeros((count, count), np.int64)
    np.add.at(together, (said, part.targets), 1)
    order = together.argmax(axis=1)
    right = together[np.arange(count), order].sum() / len(part)
    if sorted(order.tolist()) != list(range(count)) or right < _TOLD_APART:
        return ""
    names = ", ".join(task.labels[i] if task.labels else str(i) for i in order)
    return f"with the classes in the order {names} it would be right {right:.2f} of the times: name them so, or "


def refuse_chance(
    model: str,
    tried: list[Tried],
    trivial: float,
    task: Task,
    answers: list[NDArray[Any]],
    part: Part,
    *,
    accept_chance: bool,
) -> None:
    """Raise NoBetterThanChanceError with what was tried, unless that is accepted."""
    text = f"{model} is no better than the trivial answer ({_table(tried, trivial, len(part))})"
    if not accept_chance:
        hint = next(filter(None, (_other_order(task, each, part) for each in answers)), "")
        raise NoBetterThanChanceError(
            f"{text}: {hint}name the input with --input, or the data it was trained on; --accept-chance goes on"
        )
    _log.warning("%s: accepted with --accept-chance", text)


def _table(tried: list[Tried], trivial: float, examples: int) -> str:
    rows = ", ".join(
        f"{each.input} {each.value:.4f}{f' on {each.examples}' if each.examples else ''}" for each in tried
    )
    return f"{tried[0].metric} on {examples} examples: {rows}; trivial {trivial:.4f}"
