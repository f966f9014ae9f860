"""What the rows say together, in sentences that are computed."""

from collections.abc import Iterator, Mapping
from statistics import fmean, geometric_mean
from typing import Any

import numpy as np

from ...statistics.intervals import Pairs, score_difference
from .making import ROUNDED, rightness
from .rows import ENGINES, ROWS

__all__ = ["pairs_of", "sentences"]

_POINT = 0.01
Found = Mapping[str, list[dict[str, Any]]]
"""By row: the figures of each seed."""


def sentences(found: Found, times: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One for each thing that the study is to show, as far as its rows have been made.

    Args:
        found: By row.
        times: By row, as `times.py` writes them; empty where nothing was timed.
    """
    parts = (
        _engines(found), _epochs(times), _zeros(found), _values(found), _elsewhere(found), _smaller(found, times),
        _learned(found),
    )  # fmt: skip
    return [sentence for part in parts for sentence in part]


def pairs_of(results: list[dict[str, Any]], first: str, second: str) -> Pairs:
    """How two models of each seed answered, all seeds together as if their test examples were one set."""
    return _pairs([(result, first) for result in results], [(result, second) for result in results])


def _pairs(firsts: list[tuple[dict[str, Any], str]], seconds: list[tuple[dict[str, Any], str]]) -> Pairs:
    return Pairs.count(
        np.concatenate([rightness(*each) for each in firsts]), np.concatenate([rightness(*each) for each in seconds])
    )


def _twins() -> Iterator[tuple[str, str, str]]:
    """What was asked for, and the rows of either engine."""
    theirs, ours = ENGINES
    for name in ROWS:
        asked = name.removesuffix(f", {ours}")
        if asked != name and f"{asked}, {theirs}" in ROWS:
            yield asked, f"{asked}, {theirs}", name


def _engines(found: Found) -> Iterator[str]:
    worse, better, ratios, number = [], [], [], 0
    for asked, theirs, ours in _twins():
        count = min(len(found.get(theirs, [])), len(found.get(ours, [])))
        if not count:
            continue
        ratios += [
            our["bytes"] / their["bytes"] for their, our in zip(found[theirs][:count], found[ours][:count], strict=True)
        ]
        pairs = _pairs(*([(each, "pressed") for each in found[row][:count]] for row in (theirs, ours)))
        low, high = score_difference(pairs)
        told = f"{asked} ({100 * pairs.difference:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}])"
        worse += [told] if high < 0 else []
        better += [told] if low > 0 else []
        number += 1
    if number:
        yield (
            f"Of {number} tasks that both engines pressed, our own is significantly worse than TensorFlow Model "
            f"Optimization in {_listed(worse)}, and significantly better in {_listed(better)}."
        )
        ratio = geometric_mean(ratios)
        # Of engines that are as accurate the one with smaller files.
        best = ENGINES[0 if (len(worse) - len(better) or ratio - 1) >= 0 else 1]
        yield (
            f"Our files are {ratio:.3f} x as large as theirs in the mean. By accuracy, and then by bytes, {best} is "
            f"the better engine; where both can press a model, {_asked_first()} does."
        )


def _asked_first() -> str:
    from edgepress.train.engines import ENGINES as ASKED

    return next(iter(ASKED))


def _epochs(times: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    ratios = [
        times[ours]["epoch_seconds"] / times[theirs]["epoch_seconds"]
        for _, theirs, ours in _twins()
        if "epoch_seconds" in times.get(theirs, {}) and "epoch_seconds" in times.get(ours, {})
    ]
    if ratios:
        yield f"An epoch of ours takes {min(ratios):.2f} to {max(ratios):.2f} x as long as one of theirs."


def _zeros(found: Found) -> Iterator[str]:
    asked = {name: found[name] for name in found if "zeros" in name or "2:4" in name}
    lost = [name for name, results in asked.items() if any(kept < had for had, kept in _zeros_in(results))]
    if asked:
        yield f"Zeros of the pressed model that its file does not have: in {_listed(lost)} of {len(asked)} rows."


def _zeros_in(results: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    return ((had, kept) for had, kept in (each["zeros_in_file"] for each in results))


def _values(found: Found) -> Iterator[str]:
    most = {
        engine: max(each["values_in_file"] for name in asked for each in found[name])
        for engine in ENGINES
        if (asked := [name for name in found if "clusters 16" in name and name.endswith(engine)])
    }
    if most:
        told = " and ".join(f"{count} with {engine}" for engine, count in most.items())
        yield f"Integers that a kernel in a file has at most, where 16 values were asked for: {told}."


def _elsewhere(found: Found) -> Iterator[str]:
    """Where the other engine cannot go, and few bits: within a point, or one example, of float."""
    asked = [name for name in found if name.startswith(_ELSEWHERE) or "4 bits" in name]
    near: list[str] = []
    far: list[str] = []
    for name in asked:
        gained = pairs_of(found[name], "float", "pressed").difference
        close = -gained <= max(_POINT, 1 / min(each["examples"] for each in found[name]))
        (near if close else far).append(f"{name} ({100 * gained:+.2f})")
    if asked:
        yield f"Within one point, or one example, of float: {_listed(near)}; further off: {_listed(far)}."


_ELSEWHERE = ("gru", "lstm", "transformer", "mobile", "ds-cnn")


def _smaller(found: Found, times: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for name, results in found.items():
        counts = [each["multiply_adds"] for each in results if each["multiply_adds"]]
        if counts:
            share = fmean(after / before for before, after in counts)
            gained = pairs_of(results, ROUNDED, "pressed").difference
            timed = times.get(name, {})
            quicker = f", and takes {timed['latency']:.2f} x its time" if "latency" in timed else ""
            yield (
                f"{name}: {100 * share:.1f} % of the multiply-adds stay, and its file is {100 * gained:+.2f} points "
                f"off the whole model's int8 file{quicker}."
            )


def _learned(found: Found) -> Iterator[str]:
    """What learned ranges win back where rounding after training loses more than a point."""
    won = []
    for name, results in found.items():
        if not name.split(", ", 1)[1].startswith("int8"):
            continue
        lost = -pairs_of(results, "float", ROUNDED).difference
        if lost > _POINT:
            back = pairs_of(results, ROUNDED, "pressed").difference / lost
            won.append(f"{name} ({100 * lost:.2f} points lost, {100 * back:.0f} % of them won back)")
    rounded = [
        0 - pairs_of(results, "float", ROUNDED).difference for name, results in found.items() if "4 bits" not in name
    ]
    if rounded:
        yield (
            f"Rounding the float model to int8 after training loses {100 * max(rounded):.2f} points at most, "
            f"{100 * fmean(rounded):.2f} in the mean; more than one point, and learned ranges: {_listed(won)}."
        )


def _listed(names: list[str]) -> str:
    return "; ".join(names) or "none"
