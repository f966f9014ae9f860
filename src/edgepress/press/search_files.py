"""What a search within a budget leaves in its folder: `search.json` for machines, `search.png` for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.quality import Standing

from .budget import Budget, Candidate
from .standing import unit_of

__all__ = ["SCHEMA", "write_search"]

SCHEMA = 2
"""Of `search.json`: 1 counted the accuracy of classifiers alone."""


def write_search(
    folder: Path,
    candidates: Sequence[Candidate],
    front: Sequence[Candidate],
    choice: Candidate | None,
    budget: Budget,
    reference: Standing,
    seconds: Sequence[float],
) -> None:
    """Write both: all candidates, the front, the choice, and what they were held against."""
    metric, unit = reference.metric, unit_of(reference)
    found = {
        "schema": SCHEMA,
        "budget": asdict(budget),
        "metric": {
            "name": metric.name,
            "better": metric.better,
            "float": reference.value,
            "trivial": reference.trivial,
            "drops_in": unit,
        },
        "trial_seconds": [round(value, 1) for value in seconds],
        "choice": asdict(choice) if choice else None,
        "front": [asdict(candidate) for candidate in front],
        "candidates": [asdict(candidate) for candidate in candidates],
    }
    write_file(folder / "search.json", json.dumps(found, indent=2) + "\n")
    figure = require("matplotlib.figure", extra="toolkit").Figure((7, 4.5), layout="constrained")
    ticker = require("matplotlib.ticker", extra="toolkit")
    axes = figure.add_subplot()

    def draw(shown: Sequence[Candidate], style: str, **look: Any) -> None:
        axes.plot([c.bytes / 1000 for c in shown], [c.drop for c in shown], style, **look)

    draw(candidates, "o", color="0.75", label="candidates")
    # With three limits the front is a surface: its points are shown, and not joined.
    draw(front, "o" if budget.max_latency_us is not None else "o-", color="tab:blue", label="Pareto front")
    if choice:
        draw([choice], "*", color="tab:red", markersize=15, label=f"choice: {choice.file}")
    if budget.max_bytes:
        axes.axvline(budget.max_bytes / 1000, color="tab:red", linewidth=0.8, linestyle="--")
    if budget.max_drop:
        axes.axhline(budget.max_drop, color="tab:red", linewidth=0.8, linestyle="--")
    worse = f"{metric.name} worse on held-back examples, {unit}"
    axes.set(xscale="log", xlabel="KB", ylabel=worse, title="Models within reach")
    # Where a budget lies, tenths of a point matter; a small model that lost tens of them must not hide that.
    axes.set_yscale("symlog", linthresh=1, linscale=2)
    drops = [0.0, *(candidate.drop for candidate in candidates)]
    axes.set_ylim(min(drops) - 0.05, max(1.0, 1.3 * max(drops)))
    axes.yaxis.set_major_locator(ticker.FixedLocator([-1, -0.5, 0, 0.25, 0.5, 0.75, 1, 2, 5, 10, 20, 50, 100]))
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axis.set_minor_formatter(ticker.NullFormatter())
    axes.legend()
    figure.savefig(folder / "search.png", dpi=120)
