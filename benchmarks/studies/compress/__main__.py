"""What compression costs: models pressed by our engine and by TensorFlow Model Optimization, seed by seed.

    python -m edgepress.benchmarks.studies.compress --pages docs/compress-engine.md

Each row is trained, pressed and exported once a seed, in a process of its own; the int8 file's answers are compared
with the float model's on the same test examples, one by one, once. A row that has been made is kept below --work: a
study that was killed goes on. `--rows "transformer, zeros 70 %, int8" --seeds 0` is a small version.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table

from ...statistics.intervals import Pairs, score_difference
from ..page.study import chosen, conclude
from .rows import ROWS, Row

_log = logging.getLogger("edgepress")
_VARIANT = "tflite:int8"
_FOUR_BITS = "tflite:dynamic-int4"


def _made(name: str, seed: int, work: Path) -> dict[str, Any] | str:
    """A row's figures with a seed, kept from before or made now; a text where there are none."""
    folder = work / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"
    result = folder / "result.json"
    if not result.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _log.info("compress: %s, seed %d", name, seed)
        line = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--one", name, str(seed), str(folder)]
        done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        (folder / "log").write_text(done.stderr)
        if done.returncode:
            return f"failed: {done.stderr.strip().splitlines()[-1]}"
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def _make(row: Row, seed: int, folder: Path) -> dict[str, Any]:
    from edgepress.data import load_dataset
    from edgepress.export import export
    from edgepress.runtime import load
    from edgepress.train import MODELS, TrainConfig, adopt_baseline, open_keras, press_model, train_baseline
    from edgepress.train.fitting.feed import predictor

    here = Path(os.environ.get("EDGEPRESS_DATA_DIR", "."))
    data = here / row.data
    dataset = load_dataset(data if data.suffix else row.data, seconds=row.seconds)
    named = {"model": row.model} if row.model in MODELS else {}
    config = TrainConfig(**{**row.fitted, **row.asked, **named, "engine": row.engine, "seed": seed})
    start = None
    if not isinstance(row.model, str):
        from edgepress.base.extras import require

        require("keras", extra="toolkit").utils.set_random_seed(seed)
        start = folder / "start.keras"
        row.model().save(start)
    if isinstance(row.model, str) and not named:
        baseline = adopt_baseline(dataset, config, here / row.model, folder / "float.keras", input=row.input)
    else:
        baseline = train_baseline(dataset, config, folder / "float.keras", model=start)
    pressed = press_model(dataset, baseline.path, config, folder / "pressed.keras")
    variant = _FOUR_BITS if config.weight_bits == 4 else _VARIANT
    # What the file costs is what is asked here: it is not withheld for that.
    made = export(
        {"float": baseline.path, "pressed": pressed.path}, dataset, folder / "bundle", variants=[variant],
        overwrite=True, bounds={variant: 100.0}, accept_chance=True, seed=seed,
    )  # fmt: skip
    as_it_was, artifact = (
        next(each for each in made.manifest.artifacts if each.model == name) for name in ("float", "pressed")
    )
    model = open_keras(baseline.path).model
    held = dataset.x_test
    contract = next(iter(made.manifest.keras_contract.inputs.values()))
    reals = held if contract.dtype == "uint8" else contract.normalize(held)
    float_right = predictor(model, contract)(reals).argmax(axis=1) == dataset.y_test
    with load(folder / "bundle" / artifact.file) as runtime:
        answers = np.asarray(runtime.predict(held).probabilities).argmax(axis=1)
    pairs = Pairs.count(float_right, answers == dataset.y_test)
    fits = pressed.history.fits
    return {
        "pairs": pairs.__dict__,
        "float": float(float_right.mean()),
        "zeros": _zeros(open_keras(pressed.path).model),
        "bytes": (folder / "bundle" / artifact.file).stat().st_size,
        "latency": _latency([as_it_was.file, artifact.file], made.manifest, folder / "bundle", held),
        "epoch_seconds": fmean(e["seconds"] for fit in fits.values() for e in fit["epochs"][1:]),
    }


def _latency(files: Sequence[str], manifest: Any, bundle: Path, examples: Any) -> float:
    """Median time of one example in LiteRT of the second file, as a share of the first one's; both in turn."""
    from ...measure.speed import PACES, measure_speed
    from ...models.subjects import artifact_order

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "examples.npy"
        np.save(place, examples[:256])
        subjects = [artifact_order(bundle, manifest, file, "litert") for file in files]
        first, second = (
            float(np.median(np.concatenate([part for rounds in row.latency_ns for part in rounds])))
            for row in measure_speed(subjects, place, PACES["quick"])
        )
    return second / first


def _zeros(model: Any) -> float:
    """Share of the weights of all kernels that are zero."""
    from edgepress.train.compress.engine.kernels import kernels_of
    from edgepress.train.keras_file import inside

    kernels = [kernel.variable.numpy() for kernel in kernels_of(inside(model))]
    return 1 - sum(map(np.count_nonzero, kernels)) / sum(kernel.size for kernel in kernels)


def _line(name: str, found: list[dict[str, Any]]) -> list[str]:
    """A table's line: seeds together, as if their test examples were one set."""
    pairs = Pairs(*(sum(each["pairs"][key] for each in found) for key in Pairs.__dataclass_fields__))
    low, high = score_difference(pairs)
    return [
        name,
        str(len(found)),
        f"{100 * fmean(each['float'] for each in found):.2f}",
        f"{100 * pairs.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]",
        f"{100 * fmean(each['zeros'] for each in found):.0f}",
        f"{fmean(each['bytes'] for each in found):,.0f}",
        f"{fmean(times):.2f} x" if (times := [each["latency"] for each in found if "latency" in each]) else "-",
        f"{fmean(each['epoch_seconds'] for each in found):.2f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=";".join(ROWS), help="some of them, separated by semicolons")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--work", type=Path, default=Path("runs/compress"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `compress`")
    parser.add_argument("--one", nargs=3, metavar=("ROW", "SEED", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.one:
        name, seed, folder = options.one
        made = _make(ROWS[name], int(seed), Path(folder))
        write_file(Path(folder) / "result.json", json.dumps(made, indent=2) + "\n")
        return 0
    lines, wrong = [], []
    for name in chosen(parser, options.rows, ROWS, "rows", separator=";"):
        found = [_made(name, int(seed), options.work) for seed in options.seeds.split(",")]
        wrong += [f"{name}: {each}" for each in found if isinstance(each, str)]
        if whole := [each for each in found if not isinstance(each, str)]:
            lines.append(_line(name, whole))
    heads = [
        "model, what was asked, engine",
        "seeds",
        "float %",
        "points [95 %]",
        "zeros %",
        "bytes",
        "latency",
        "s an epoch",
    ]
    text = "\n".join(markdown_table(heads, lines, columns="lrrrrrrr"))
    asked = "" if options.rows == ";".join(ROWS) else f' --rows "{options.rows}"'
    command = f"python -m edgepress.benchmarks.studies.compress{asked} --seeds {options.seeds}"
    return conclude("compress", text, command, options.pages, wrong)


if __name__ == "__main__":
    sys.exit(main())
