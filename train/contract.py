"""How a data set's examples become a model's input: found, not assumed.

What the user states comes first, then what training recorded with the model, then what the model's first layers say;
what is left is tried on held-back examples, and the way that is clearly best is taken; the likeliest of those that
are right equally often.
"""

import logging
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset, Part
from edgepress.quality import Metric, Quality, bootstrap, quality_of
from edgepress.runtime import InputError
from edgepress.runtime.contract import KINDS, NORMALIZATIONS, Audio, Contract, Features, Input, Picture, Signal
from edgepress.runtime.tasks import Task

from .keras_file import graph_of

__all__ = ["NoBetterThanChanceError", "Tried", "find_contract", "own_contract", "stated_inputs", "suited"]

_log = logging.getLogger("edgepress")
_TRIED = 2000
"""Held-back examples that the candidates are tried on."""
_LEAST_SKILL = 0.28
"""Share of the proper score of the classes' shares alone that a way of feeding must save to count: networks of raw
pixels save less on pixels / 255, and networks of pixels / 255 more, even after a few epochs."""
_RAW_LAYERS = frozenset({"Normalization", "Rescaling"})
"""First layers that say: raw numbers come in."""


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


def own_contract(dataset: Dataset, fitted: Part) -> Contract:
    """The contract of models that are trained here: pixels / 255; features and signals centred and scaled."""
    if len(dataset.inputs) != 1:
        raise InputError(f"the data have the inputs {', '.join(dataset.inputs)}: models that are made here take one")
    ((name, described),) = dataset.inputs.items()
    if isinstance(described, Picture):
        described = described.with_normalization(next(iter(NORMALIZATIONS)))
    elif isinstance(described, Features | Signal):
        described = _standardized(described, fitted.inputs[name])
    return Contract({name: described}, {"by": "training"})


def _standardized(described: Features | Signal, values: NDArray[Any]) -> Features | Signal:
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    std = rows.std(axis=0)
    # What never changes has no deviation, and tells nothing.
    std = np.where(std > 1e-12 * np.maximum(1.0, np.abs(rows).max(axis=0, initial=0.0)), std, 1.0)
    return described._replace(mean=tuple(rows.mean(axis=0).tolist()), std=tuple(std.tolist()))


def stated_inputs(stated: str, dataset: Dataset) -> dict[str, Input]:
    """What `--input` says: a normalization's name for every picture, or a TOML file with a table an input.

    Raises:
        InputError: No such name or file, or what no input can be.
    """
    if stated in NORMALIZATIONS:
        return {
            name: each.with_normalization(stated) if isinstance(each, Picture) else each
            for name, each in dataset.inputs.items()
        }
    path = Path(stated)
    if not path.is_file():
        raise InputError(f"input {stated!r}: allowed are {', '.join(NORMALIZATIONS)}, or a TOML file")
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"input {path}: {error}: a readable TOML file is allowed") from None
    # A file for one input may leave out its name.
    if "kind" in tables or not any(isinstance(value, dict) and "kind" in value for value in tables.values()):
        tables = {name: tables for name in dataset.inputs} if len(dataset.inputs) == 1 else tables
    inputs = {}
    for name, described in dataset.inputs.items():
        table = tables.get(name)
        if not isinstance(table, dict):
            raise InputError(f"input {path}: no table for {name}: it needs one for each of {', '.join(dataset.inputs)}")
        kind = table.get("kind", described.kind)
        if kind not in KINDS:
            raise InputError(f"input {path}: kind {kind!r}: allowed are {', '.join(KINDS)}")
        known = described.to_dict() if described.kind == kind else {}
        try:
            inputs[name] = KINDS[kind].from_dict({**known, **table})
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"input {path}: {name} as {kind} lacks or misuses {error}") from None
    return inputs


def suited(model: Any, dataset: Dataset) -> Dataset:
    """The data under the model's own input names.

    Raises:
        InputError: Inputs that the model does not have, or whose size is another: both sides are named.
    """
    names = list(model.input_names)
    given = list(dataset.inputs)
    if set(given) != set(names):
        if len(given) != len(names) or len(names) > 1:
            raise InputError(
                f"{model.name} takes {', '.join(names)}, {dataset.name} has {', '.join(given) or 'nothing'}: name each "
                "input as the model does"
            )
        dataset = dataset.named({given[0]: names[0]})
    for name, tensor in zip(names, model.inputs, strict=True):
        shape, described = tuple(tensor.shape[1:]), dataset.inputs[name]
        if None not in shape and math.prod(shape) != described.size:
            raise InputError(
                f"{model.name} takes {shape}, {dataset.name} has examples of {described.shape}: equal sizes are "
                "allowed; give the data that it was trained on"
                + (", or another --input-shape" if isinstance(described, Picture) else "")
            )
    return dataset


def find_contract(
    model: Any,
    dataset: Dataset,
    task: Task,
    *,
    fitted: Part,
    held_back: Part,
    stated: str | None = None,
    recorded: Mapping[str, Any] | None = None,
    accept_chance: bool = False,
) -> Contract:
    """How the data's examples become this model's input.

    Args:
        model: tf-keras, float.
        dataset: Under the model's input names (`suited`).
        task: What it answers.
        fitted: The part that may be looked at to centre and scale, and for the trivial answer.
        held_back: What candidates are tried on.
        stated: `--input`.
        recorded: The contract that training wrote beside the model.
        accept_chance: Take the likeliest where the model is no better than the trivial answer.

    Raises:
        NoBetterThanChanceError: No candidate is better than the trivial answer; the message has the table.
        InputError: Nothing tells the candidates apart; likewise.
    """
    if stated is not None:
        inputs = stated_inputs(stated, dataset)
        return _confirmed(
            model, Contract(inputs, {"by": "stated", "why": stated}), task, fitted, held_back, accept_chance
        )
    if recorded is not None:
        contract = Contract.from_dict(recorded)
        if {name: each.shape for name, each in contract.inputs.items()} == {
            name: each.shape for name, each in dataset.inputs.items()
        }:
            # How that was found when the model was taken in: told by its layers, tried, with what table.
            return contract if contract.found else contract._replace(found={"by": "training"})
    quality = quality_of(task)
    candidates = dict(_candidates(model, dataset, fitted, tried=quality is not None and held_back.targets is not None))
    if len(candidates) == 1:
        (contract,) = candidates.values()
        return _confirmed(model, contract, task, fitted, held_back, accept_chance)
    if quality is None or held_back.targets is None:
        raise InputError(
            f"{dataset.name} has no targets to try on how {model.name} takes its input: say it with --input "
            f"({', '.join(candidates)})"
        )
    return _tried(model, candidates, task, quality, fitted, held_back, accept_chance)


def _candidates(model: Any, dataset: Dataset, fitted: Part, *, tried: bool) -> Iterator[tuple[str, Contract]]:
    """What the model's input may be, the likeliest first.

    Numbers that cannot be tried on right answers are taken as they are: who gives samples of a model's input gives
    those.
    """
    raw = _takes_raw_numbers(model)
    ways: dict[str, list[tuple[str, Input]]] = {}
    for name, described in dataset.inputs.items():
        if isinstance(described, Picture):
            if name in raw:
                ways[name] = [("pixels", described.with_normalization("pixels"))]
            else:
                ways[name] = [
                    (way, described.with_normalization(way))
                    for way, (_, mean, _) in NORMALIZATIONS.items()
                    if len(mean) <= described.channels
                ]
                pixels = fitted.inputs[name].reshape(-1, described.channels).astype(np.float64)
                mean, std = tuple(pixels.mean(axis=0).tolist()), tuple(np.maximum(pixels.std(axis=0), 1e-6).tolist())
                ways[name].append(("standardized", described._replace(mean=mean, std=std)))
        elif isinstance(described, Features | Signal) and name not in raw:
            plain = described._replace(mean=(), std=())
            ways[name] = [("as they are", plain)]
            if tried:
                ways[name].append(("standardized", _standardized(plain, fitted.inputs[name])))
            if described.mean:
                ways[name] = [("as the data say", described)]
        elif isinstance(described, Audio):
            rank = len(dict(zip(model.input_names, model.inputs, strict=True))[name].shape)
            ways[name] = [("waveform", described._replace(channel=rank == 3))]
        else:
            ways[name] = [("as they are", described)]
    by = "model" if raw else "data"
    # Several inputs of one kind are fed alike: all ways at once would be their product.
    for number in range(max(map(len, ways.values()))):
        chosen = {name: options[min(number, len(options) - 1)] for name, options in ways.items()}
        why = (
            chosen[next(iter(ways))][0]
            if len(ways) == 1
            else ", ".join(f"{n}: {way}" for n, (way, _) in chosen.items())
        )
        yield why, Contract({name: each for name, (_, each) in chosen.items()}, {"by": by, "why": why})


def _takes_raw_numbers(model: Any) -> set[str]:
    """Inputs whose first layer normalizes, or that are no floats."""
    graph = graph_of(model)
    found = {
        name
        for name in graph.inputs
        if (readers := [node for node in graph.nodes if any(ref.layer == name for call in node.calls for ref in call)])
        and all(node.class_name in _RAW_LAYERS for node in readers)
    }
    types = zip(model.input_names, model.inputs, strict=True)
    return found | {name for name, tensor in types if not tensor.dtype.is_floating}


def _answers(model: Any, contract: Contract, task: Task, quality: Quality, part: Part) -> NDArray[Any]:
    """What the model says about a part, in the form in which it is judged."""
    outputs, reals = _outputs(model, contract, part)
    return quality.answers(task, reals, outputs)


def _outputs(model: Any, contract: Contract, part: Part) -> tuple[NDArray[Any], NDArray[Any]]:
    # Keras keeps one compiled function a model, whatever it is fed with.
    feeds = [
        contract.inputs[name].normalize(part.inputs[name]).reshape(len(part), *tensor.shape[1:])
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    ]
    given = model.predict(feeds if len(feeds) > 1 else feeds[0], batch_size=256, verbose=0)
    return np.asarray(given), feeds[0]


def _some(part: Part) -> Part:
    if len(part) <= _TRIED:
        return part
    chosen: Part = part[np.unique(np.linspace(0, len(part) - 1, _TRIED).astype(np.int64))]
    return chosen


def _confirmed(
    model: Any, contract: Contract, task: Task, fitted: Part, held_back: Part, accept_chance: bool
) -> Contract:
    """The contract, once the model has shown that it answers better than the trivial answer with it."""
    quality = quality_of(task)
    if quality is None or held_back.targets is None or fitted.targets is None or _all_alike(held_back):
        return contract
    part = _some(held_back)
    assert part.targets is not None
    answers = _answers(model, contract, task, quality, part)
    tried = Tried(
        str(contract.found.get("why", "")), quality.metric.name, quality.metric.of(answers, part.targets), None
    )
    trivial, better = quality.beats_trivial(answers, fitted.targets, part.targets)
    found = {**contract.found, "tried": [tried._asdict()], "trivial": trivial, "examples": len(part)}
    if not better:
        _refuse_chance(model, [tried], trivial, len(part), accept_chance)
        found["chance"] = True
    return contract._replace(found=found)


def _all_alike(part: Part) -> bool:
    """Whether all targets are one: nothing can be told from them (normal examples alone, for instance)."""
    return part.targets is None or len(np.unique(part.targets, axis=0)) < 2


def _tried(
    model: Any,
    candidates: Mapping[str, Contract],
    task: Task,
    quality: Quality,
    fitted: Part,
    held_back: Part,
    accept_chance: bool,
) -> Contract:
    part = _enough(held_back, fitted)
    assert part.targets is not None
    assert fitted.targets is not None
    answers = {why: _answers(model, contract, task, quality, part) for why, contract in candidates.items()}
    sign = 1 if quality.metric.higher else -1
    tried = [
        Tried(
            why, quality.metric.name, quality.metric.of(given, part.targets),
            None if quality.proper is None else quality.proper.of(given, part.targets),
        )
        for why, given in answers.items()
    ]  # fmt: skip
    best = max(tried, key=lambda each: (sign * each.value, -(each.loss or 0.0)))
    # Likeliest first, as the candidates are.
    close = [each for each in tried if not _clearly_better(quality.metric, answers, best, each, part)]
    trivial, better = quality.beats_trivial(answers[best.input], fitted.targets, part.targets)
    found = {"by": "tried", "tried": [each._asdict() for each in tried], "trivial": trivial, "examples": len(part)}
    if not better:
        _refuse_chance(model, tried, trivial, len(part), accept_chance)
        return next(iter(candidates.values()))._replace(found={**found, "chance": True})
    chosen = _likeliest(quality, answers, close, fitted, part)
    if chosen is None:
        raise InputError(
            f"{model.name} answers equally well however it is fed ({_table(tried, trivial, len(part))}): say with "
            f"--input which it is: {', '.join(each.input for each in close)}"
        )
    _log.info("input of %s: %s, found by trying (%s)", model.name, chosen.input, _table(tried, trivial, len(part)))
    return candidates[chosen.input]._replace(found={**found, "why": chosen.input})


def _enough(held_back: Part, fitted: Part) -> Part:
    """Held-back examples, and fitted ones where those are few: what a model was fitted to tells its input as well."""
    if len(held_back) >= _TRIED:
        return _some(held_back)
    rows = np.unique(np.linspace(0, len(fitted) - 1, min(len(fitted), _TRIED - len(held_back))).astype(np.int64))
    assert held_back.targets is not None
    assert fitted.targets is not None
    inputs = {name: np.concatenate([values, fitted.inputs[name][rows]]) for name, values in held_back.inputs.items()}
    return Part(inputs, np.concatenate([held_back.targets, fitted.targets[rows]]))


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


def _refuse_chance(model: Any, tried: list[Tried], trivial: float, examples: int, accept: bool) -> None:
    text = f"{model.name} is no better than the trivial answer ({_table(tried, trivial, examples)})"
    if not accept:
        raise NoBetterThanChanceError(
            f"{text}: name the input with --input, or the data it was trained on; --accept-chance goes on"
        )
    _log.warning("%s: accepted with --accept-chance", text)


def _table(tried: list[Tried], trivial: float, examples: int) -> str:
    rows = ", ".join(f"{each.input} {each.value:.4f}" for each in tried)
    return f"{tried[0].metric} on {examples} examples: {rows}; trivial {trivial:.4f}"
