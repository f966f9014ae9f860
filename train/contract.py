"""How a data set's examples become a model's input: found, not assumed.

What the user states comes first, then what training recorded with the model, then what the model's first layers say;
what is left is tried on held-back examples, and the way that is clearly best is taken; the likeliest of those that
are right equally often.
"""

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset, Part
from edgepress.data.rows import Mapped, in_pieces
from edgepress.quality import Metric, Quality, quality_of
from edgepress.runtime import InputError
from edgepress.runtime.contract import KINDS, NORMALIZATIONS, Audio, Contract, Features, Input, Picture, Signal
from edgepress.runtime.contract.arrange import arrangements, same_order
from edgepress.runtime.tasks import Task

from .asking import outputs_of
from .keras_file import outline_of
from .trying import (
    NoBetterThanChanceError,
    Tried,
    all_alike,
    choose,
    confirm,
    enough,
    least_left,
    out_of_reach,
    some,
)

__all__ = [
    "NoBetterThanChanceError",
    "Tried",
    "candidates",
    "find_contract",
    "own_contract",
    "stated_inputs",
    "suited",
    "takes_raw_numbers",
]

_CENTRED = 0.25
"""Standard deviations that a column's mean may be from 0, and that (in logarithms) its deviation may be from 1."""
_FIRST, _WORTH_TWO_ROUNDS = 256, 3
"""Examples that all ways are tried on first, and how many times as many there must be, so that it is worth while."""
_FIELDS = frozenset({"kind"}).union(*(kind._fields for kind in KINDS.values()))
"""What a table of `--input` may say of an input of any kind."""
_RAW_LAYERS = frozenset({"Normalization", "Rescaling"})
"""First layers that say: raw numbers come in."""


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
    def rows() -> Iterator[NDArray[np.float64]]:
        return (piece.reshape(-1, piece.shape[-1]).astype(np.float64) for piece in in_pieces(values))

    count = values.size // values.shape[-1]
    mean = sum(each.sum(axis=0) for each in rows()) / count
    std = np.sqrt(sum(np.square(each - mean).sum(axis=0) for each in rows()) / count)
    largest = np.max([np.abs(each).max(axis=0) for each in rows()], axis=0)
    # What never changes has no deviation, and tells nothing.
    std = np.where(std > 1e-12 * np.maximum(1.0, largest), std, 1.0)
    return described._replace(mean=tuple(mean.tolist()), std=tuple(std.tolist()))


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
    if len(dataset.inputs) == 1:
        # A file for one input may leave out its name, or call it anything.
        (only,) = dataset.inputs
        (key, inner), *others = tables.items() or [("", None)]
        tables = {only: inner if isinstance(inner, dict) and not others and key not in _FIELDS else tables}
    strange = sorted(set(tables) - set(dataset.inputs))
    if strange:
        raise InputError(f"input {path}: {strange[0]} is no input: a table for each of {', '.join(dataset.inputs)}")
    inputs = {}
    for name, described in dataset.inputs.items():
        table = tables.get(name)
        if not isinstance(table, dict):
            raise InputError(f"input {path}: no table for {name}: it needs one for each of {', '.join(dataset.inputs)}")
        kind = table.get("kind", described.kind)
        if kind not in KINDS:
            raise InputError(f"input {path}: kind {kind!r}: allowed are {', '.join(KINDS)}")
        fields = KINDS[kind]._fields
        unknown = sorted(set(table) - {"kind", *fields})
        if unknown:
            raise InputError(f"input {path}: {unknown[0]!r} of {name}: {kind} has {', '.join(fields)}")
        # One number stands for all channels.
        table = {k: [v] if k in ("mean", "std") and isinstance(v, int | float) else v for k, v in table.items()}
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
        if None not in shape and not same_order(described.shape, shape):
            raise InputError(
                f"{model.name} takes {shape}, {dataset.name} has examples of {described.shape}: "
                + _mend(described, shape)
            )
    return replace(dataset, inputs={name: dataset.inputs[name] for name in names})


def _mend(described: Input, shape: tuple[int, ...]) -> str:
    # A grey picture has no axis of channels.
    is_grey = isinstance(described, Picture) and described.channels == 1
    if not is_grey and any(way.channels_first for way in arrangements(described.shape, shape)):
        axes = (len(shape), *range(1, len(shape)))
        return f"channels come first there; put a layer Permute({axes}) in front of the model, in a model of both"
    return "equal sizes are allowed; give the data that it was trained on" + (
        ", or another --input-shape" if isinstance(described, Picture) else ""
    )


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
    ranks = {name: len(tensor.shape) for name, tensor in zip(model.input_names, model.inputs, strict=True)}
    alone = quality.alone if quality is not None and all_alike(held_back) else None
    tried = alone is not None or (quality is not None and not all_alike(held_back))
    ways = dict(candidates(dataset, fitted, raw=takes_raw_numbers(model), ranks=ranks, tried=tried))
    if len(ways) == 1:
        (contract,) = ways.values()
        return _confirmed(model, contract, task, fitted, held_back, accept_chance)
    if alone is not None:
        return _by_what_is_left(model, ways, alone, held_back, accept_chance)
    if quality is None or all_alike(held_back):
        raise InputError(
            f"{dataset.name} has no targets, or all alike, to try on how {model.name} takes its input: say it with "
            f"--input ({', '.join(ways)})"
        )
    return _tried(model, ways, task, quality, fitted, held_back, accept_chance)


def candidates(
    dataset: Dataset, fitted: Part, *, raw: Set[str], ranks: Mapping[str, int], tried: bool
) -> Iterator[tuple[str, Contract]]:
    """What a model's input may be, the likeliest first: the way's name, and the contract.

    Numbers that cannot be tried on right answers are taken as they are: who gives samples of a model's input gives
    those.

    Args:
        dataset: Under the model's input names.
        fitted: What may be looked at to centre and scale.
        raw: Inputs that take raw numbers: their first layer normalizes, or they are no floats.
        ranks: Dimensions of each input, the batch included.
        tried: Whether there are right answers to try on.
    """
    ways: dict[str, list[tuple[str, Input]]] = {}
    for name, described in dataset.inputs.items():
        if isinstance(described, Picture):
            ways[name] = _picture_ways(described, fitted.inputs[name], is_raw=name in raw)
        elif isinstance(described, Features | Signal) and name not in raw:
            plain = described._replace(mean=(), std=())
            ways[name] = [("as they are", plain)]
            scaled = _standardized(plain, fitted.inputs[name])
            if tried and not _nothing_to_do(scaled):
                ways[name].append(("standardized", scaled))
            if described.mean:
                ways[name] = [("as the data say", described)]
        elif isinstance(described, Audio):
            ways[name] = [("waveform", described._replace(channel=ranks[name] == 3))]
        else:
            ways[name] = [("as they are", described)]
    by = "model" if raw else "data"
    # Several inputs of one kind are fed alike: all ways of each would be too many to tell apart.
    kinds = {dataset.inputs[name].kind: range(len(options)) for name, options in sorted(ways.items(), key=_fewest)}
    for numbers in itertools.product(*kinds.values()):
        number_of = dict(zip(kinds, numbers, strict=True))
        chosen = {
            name: options[min(number_of[dataset.inputs[name].kind], len(options) - 1)] for name, options in ways.items()
        }
        why = (
            chosen[next(iter(ways))][0]
            if len(ways) == 1
            else ", ".join(f"{n}: {way}" for n, (way, _) in chosen.items())
        )
        yield why, Contract({name: each for name, (_, each) in chosen.items()}, {"by": by, "why": why})


def _picture_ways(described: Picture, pixels: Any, *, is_raw: bool) -> list[tuple[str, Input]]:
    """Normalizations that people use, and those of one mean for all channels in OpenCV's order of colours too."""
    if is_raw:
        return [("pixels", described.with_normalization("pixels"))]
    named = {
        way: described.with_normalization(way)
        for way, (_, mean, _) in NORMALIZATIONS.items()
        if len(mean) <= described.channels
    }
    mean, std = _levels(pixels, described.channels)
    ways: dict[str, Input] = {**named, "standardized": described._replace(mean=mean, std=std)}
    if described.order == "rgb":
        ways |= {f"{way}, bgr": each._replace(order="bgr") for way, each in named.items() if len(each.mean) == 1}
    return list(ways.items())


def _fewest(way: tuple[str, Sequence[Any]]) -> int:
    return len(way[1])


def _nothing_to_do(scaled: Features | Signal) -> bool:
    """Whether numbers are centred and scaled already, as far as a sample shows: once more would fit them to the
    examples that are tried, not to the model."""
    mean, std = np.array(scaled.mean), np.array(scaled.std)
    return bool((np.abs(mean) <= _CENTRED * std).all() and (np.abs(np.log(std)) <= _CENTRED).all())


def _levels(pixels: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of uint8 pixels, exactly: from how often each level is there."""
    counts = np.zeros((channels, 256), np.int64)
    for piece in in_pieces(pixels):
        for channel, levels in enumerate(piece.reshape(-1, channels).T):
            counts[channel] += np.bincount(levels, minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ np.arange(256.0)
    std = np.sqrt((shares * (np.arange(256.0) - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(np.maximum(std, 1e-6).tolist())


def takes_raw_numbers(model: Any) -> set[str]:
    """Inputs of a tf-keras model whose first layer normalizes, or that are no floats."""
    graph = outline_of(model)
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


def _outputs(model: Any, contract: Contract, part: Part) -> tuple[NDArray[Any], Any]:
    feeds = [
        Mapped(part.inputs[name], contract.inputs[name].normalize, tuple(tensor.shape[1:]), tensor.dtype.as_numpy_dtype)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    ]
    (output, *_) = outputs_of(model, feeds)
    # What goes in is asked for where it should come out again, and made then.
    return output, feeds[0]


def _confirmed(
    model: Any, contract: Contract, task: Task, fitted: Part, held_back: Part, accept_chance: bool
) -> Contract:
    """The contract, once the model has shown that it answers better than the trivial answer with it."""
    quality = quality_of(task)
    if quality is None or held_back.targets is None or fitted.targets is None or all_alike(held_back):
        return contract
    part = some(held_back)
    answers = _answers(model, contract, task, quality, part)
    why = str(contract.found.get("why", ""))
    found = confirm(model.name, why, answers, task, quality, fitted, part, accept_chance=accept_chance)
    return contract._replace(found={**contract.found, **found})


def _tried(
    model: Any,
    ways: Mapping[str, Contract],
    task: Task,
    quality: Quality,
    fitted: Part,
    held_back: Part,
    accept_chance: bool,
) -> Contract:
    part = enough(held_back, fitted)

    def asked(chosen: Mapping[str, Contract], part: Part) -> dict[str, NDArray[Any]]:
        return {why: _answers(model, contract, task, quality, part) for why, contract in chosen.items()}

    behind: list[Tried] = []
    if len(part) >= _WORTH_TWO_ROUNDS * _FIRST:
        first = some(part, _FIRST)
        if not all_alike(first):
            behind = out_of_reach(asked(ways, first), quality, fitted, first)
    left = {why: contract for why, contract in ways.items() if why not in {each.input for each in behind}}
    answers = asked(left, part)
    why, found = choose(
        model.name, answers, task, quality, fitted, part, accept_chance=accept_chance, behind=behind
    )  # fmt: skip
    return ways[why]._replace(found={"by": "tried", **found} | ({} if "chance" in found else {"why": why}))


def _by_what_is_left(
    model: Any,
    ways: Mapping[str, Contract],
    alone: Metric,
    held_back: Part,
    accept_chance: bool,
) -> Contract:
    """The way in which a model does best at what needs no right answers."""
    part = some(held_back)
    left = {}
    for why, contract in ways.items():
        outputs, reals = _outputs(model, contract, part)
        left[why] = alone.of(outputs, np.asarray(reals[np.arange(len(part))]))
    why, found = least_left(model.name, left, len(part), accept_chance=accept_chance)
    return ways[why]._replace(found={"by": "tried", **found} | ({} if "chance" in found else {"why": why}))
