"""Do two runs of the benchmark agree, and what does the harness itself cost?

Runs the benchmark twice and prints, per row, the latency ratio of each run with its interval, whether the interval of
one contains the other's ratio, the width of the interval, and the share of the latency that the timing loop takes. Ends
with the three promised figures: at least 90 % agree, no interval wider than +-10 %, the harness below 5 %.

    python benchmarks/studies/repeatability.py BUNDLE --float-model float.keras --preset default
"""

import argparse
import json
import sys
from typing import Any

from edgepress.data import load_dataset
from edgepress.runtime import InputError

from .. import Report, benchmark, read_report

_AGREE, _WIDTH, _COST = 0.90, 0.10, 0.05


def compare_runs(first: Report, second: Report) -> list[dict[str, Any]]:
    """One entry a row but the baseline, whose ratio is 1 by definition."""
    others = {row.key: row for row in second.rows}
    entries = []
    for row in first.rows[1:]:
        other = others[row.key]
        one, two = row.speed.latency_ratio, other.speed.latency_ratio
        if one.interval is None or two.interval is None:
            raise InputError(f"{row.name}: one repetition has no interval: take a preset with more of them")
        inside = [low <= ratio.value <= high for (low, high), ratio in ((one.interval, two), (two.interval, one))]
        widths = [
            max(1 - low / value, high / value - 1)
            for (low, high), value in ((one.interval, one.value), (two.interval, two.value))
        ]
        entries.append(
            {
                "artifact": row.artifact,
                "backend": row.backend,
                "ratios": [one.value, two.value],
                "intervals": [one.interval, two.interval],
                "inside": inside,
                "half_width": max(widths),
                "harness_share": max(row.speed.harness_share, other.speed.harness_share),
            }
        )
    return entries


def summary(entries: list[dict[str, Any]], base_share: float) -> dict[str, Any]:
    """The three figures, and whether each promise is kept."""
    inside = [hit for entry in entries for hit in entry["inside"]]
    agree = sum(inside) / len(inside)
    width = max(entry["half_width"] for entry in entries)
    cost = max([base_share, *(entry["harness_share"] for entry in entries)])
    return {
        "agree": agree, "widest": width, "harness_share": cost,
        "kept": {"agree": agree >= _AGREE, "widest": width <= _WIDTH, "harness_share": cost < _COST},
    }  # fmt: skip


def main() -> None:
    """Run twice, compare, print; exit status 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--data")
    parser.add_argument("--float-model")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--reports", nargs=2, metavar="JSON", help="Compare two reports that are there already.")
    options = parser.parse_args()
    if options.reports:
        runs = [read_report(path) for path in options.reports]
    else:
        dataset = load_dataset(options.data) if options.data else None
        runs = [
            benchmark(options.bundle, dataset, float_model=options.float_model, preset=options.preset, seed=seed)
            for seed in (0, 1)
        ]
    entries = compare_runs(*runs)
    for entry in entries:
        ratios = " and ".join(f"{ratio:.4f}" for ratio in entry["ratios"])
        print(
            f"{entry['artifact']:32} {entry['backend']:14} {ratios}  inside {entry['inside']}  "
            f"+-{100 * entry['half_width']:.1f} %  harness {100 * entry['harness_share']:.1f} %"
        )
    found = summary(entries, max(run.rows[0].speed.harness_share for run in runs))
    for run in runs:
        for reason in run.conditions.not_comparable:
            print(f"not comparable: {reason}")
    print(json.dumps(found))
    sys.exit(0 if all(found["kept"].values()) else 1)


if __name__ == "__main__":
    main()
