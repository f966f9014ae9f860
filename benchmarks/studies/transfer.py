"""How a new head's fit is set: recipes side by side on training pictures that none of them is fitted to.

    python -m edgepress.benchmarks.studies.transfer DATA.zip --out transfer.json

A network learns half of the classes; each recipe gives it a head for the others, from a few training pictures of each,
and is judged by other training pictures of these classes. The test part is never read. What has been made is kept in
--out: a study that was killed goes on. The recipe of the presets stands first.
"""

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.data import Dataset, dataset_of_arrays, load_dataset
from edgepress.quality import QUALITY
from edgepress.train import TrainConfig, open_keras, sections_of, train_baseline
from edgepress.train.fitting.feed import predictor

RECIPES: dict[str, dict[str, Any]] = {
    "as the presets": {},
    "half of its rate": {"learning_rate": 5e-4},
    "twice its rate": {"learning_rate": 2e-3},
    "without dropout": {"dropout": 0.0},
    "without the head's own fit": {"head_epochs": 0},
    "from nothing": {"backbone": ""},
}
"""What differs from the preset's table `[backbone]`."""

_log = logging.getLogger("edgepress")


def _part(data: Dataset, classes: range, first: int, each: int, judged: int) -> Dataset:
    """Of each class `each` training pictures from `first` on, and the `judged` ones after those as the test part."""

    def chosen(start: int, count: int) -> tuple[Any, Any]:
        rows = np.concatenate([np.flatnonzero(data.train.targets == k)[start : start + count] for k in classes])
        assert data.train.targets is not None
        return data.train.x[rows], data.train.targets[rows] - classes.start

    return dataset_of_arrays("part", chosen(first, each), chosen(first + each, judged))


def _right(path: Path, data: Dataset) -> float:
    assert data.picture is not None
    contract = data.picture.with_normalization("pixels/255")
    answers = predictor(open_keras(path).model, contract)(data.test.x)
    return QUALITY["multiclass"].metric.of(answers, data.y_test)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is not there yet, print the table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="colour pictures of several classes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--pictures", type=int, default=50, help="of each class that is learned anew")
    parser.add_argument("--judged", type=int, default=200, help="of each class")
    parser.add_argument("--draws", type=int, default=2, help="how often other pictures are drawn")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = load_dataset(options.data)
    middle = len(data.labels) // 2
    known = _part(data, range(middle), 0, options.pictures * 8, options.judged)
    base = TrainConfig.preset(options.preset, sections_of(known))
    base = dataclasses.replace(base, epochs=options.epochs, patience=options.epochs)
    options.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, float]] = json.loads(options.out.read_text()) if options.out.exists() else {}
    backbone = train_baseline(known, base, options.work / "backbone.keras").path
    for draw in range(options.draws):
        few = _part(data, range(middle, len(data.labels)), draw * options.pictures, options.pictures, options.judged)
        for name, changes in RECIPES.items():
            if str(draw) in found.setdefault(name, {}):
                continue
            alone = changes.get("backbone") == ""
            config = base
            if not alone:
                config = TrainConfig.preset(options.preset, sections_of(few, backbone=True))
                config = dataclasses.replace(
                    config, epochs=options.epochs, patience=options.epochs, model="", backbone=str(backbone), **changes
                )
            path = options.work / f"{draw}-{list(RECIPES).index(name)}.keras"
            found[name][str(draw)] = _right(train_baseline(few, config, path).path, few)
            _log.info("transfer: %s, draw %d: %.4f", name, draw, found[name][str(draw)])
            write_file(options.out, json.dumps(found, indent=2) + "\n")
    rows = [
        (name, *(f"{100 * value:.1f}" for value in values.values()), f"{100 * np.mean(list(values.values())):.1f}")
        for name, values in found.items()
    ]
    head = ("recipe", *(f"draw {draw + 1}" for draw in range(options.draws)), "mean")
    print("\n".join(markdown_table(head, rows, columns="l" + "r" * (options.draws + 1))))
    print(
        f"\n% right of {options.judged * (len(data.labels) - middle):,} held-back training pictures, "
        f"{options.pictures} pictures a class to learn from, preset {options.preset}, {options.epochs} epochs."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
