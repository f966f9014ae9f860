"""`edgepress predict`: what a model says about files."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from edgepress.base.hush import hushed
from edgepress.runtime import CheckFailedError, InputError, Model, load
from edgepress.runtime.backends import BACKENDS
from edgepress.runtime.contract import Audio, Tensor
from edgepress.runtime.preprocess.files import read_files, read_named
from edgepress.runtime.preprocess.sound import RECORDING_SUFFIXES, recording_header

from .common import DataChoice, data_options, emit, json_option, out_option, overwrite_option, reports_errors

__all__ = ["command", "said"]

_log = logging.getLogger("edgepress")
_PARTS = ("train", "validation", "test", "all")
_SHOWN = 8
"""Numbers of a raw output that are printed; `--json` has all."""


@click.command("predict")
@click.argument("model", type=click.Path())
@click.argument("files", nargs=-1, type=click.Path())
@data_options(default=None, help="In place of FILES, any number of examples: answers go to --out")
@click.option("--part", type=click.Choice(_PARTS), default="all", show_default=True, help="Which part of --data.")
@out_option("With --data: the table of the answers, .parquet or .csv; what is killed goes on when called again.")
@overwrite_option
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="With --data: processes that answer."
)
@click.option(
    "--ray", metavar="ADDRESS|local", help="With --data: let --workers processes of Ray answer; needs the ray extra."
)
@click.option("--variant", default="int8", show_default=True, help="Which artifact of a bundle to take.")
@click.option("--backend", default="auto", show_default=True, help=f"auto, {', '.join(BACKENDS)}.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads of one call.")
@click.option("--no-delegate", is_flag=True, help="Without XNNPACK: int8 is equal bit for bit on every machine.")
@click.option("--unknown", is_flag=True, help="Say `unknown` below the bundle's threshold.")
@click.option("--page", is_flag=True, help="Each image is a page: find every object, in reading order, with its box.")
@click.option("--isolate", is_flag=True, help="Run the model in a child process with limits.")
@json_option
@reports_errors
def command(
    model: str,
    files: tuple[str, ...],
    data: DataChoice,
    part: str,
    out: str | None,
    overwrite: bool,
    workers: int,
    ray: str | None,
    variant: str,
    backend: str,
    threads: int,
    no_delegate: bool,
    unknown: bool,
    page: bool,
    isolate: bool,
    as_json: bool,
) -> None:
    """Ask MODEL, a bundle or a model file, about FILES of what it takes.

    Pictures of one object each (PNG, JPEG and others), recordings (WAV, FLAC), tables (CSV: one example a row), or
    arrays (.npy: one or many examples; .npz with an array for each of several inputs).

    Or about all examples of --data, one row each, in their order: --data pictures/ --out answers.parquet.
    """
    settings: dict[str, Any] = {"backend": backend, "threads": threads, "isolate": isolate}
    settings |= {"variant": variant, "delegate": not no_delegate}
    if bool(files) == (data.source is not None):
        raise InputError("name FILES, or --data with --out: one of the two")
    if data.source is not None:
        if out is None or page:
            raise InputError("--data needs --out, a .parquet or .csv for the answers, and takes no --page")
        _in_bulk(
            model, data, out, as_json, part=part, overwrite=overwrite, workers=workers, ray=ray, unknown=unknown,
            **settings,
        )  # fmt: skip
        return
    about = {
        **{name: value for name, value in vars(data).items() if value is not None},
        "out": out,
        "part": part != "all",
        "ray": ray,
    }
    bulk = [name for name, value in {**about, "overwrite": overwrite, "workers": workers > 1}.items() if value]
    if bulk:
        raise InputError(f"--{bulk[0].replace('_', '-')} is for --data: answers about FILES are printed")
    # LiteRT announces its delegate on standard error.
    with hushed():
        opened = load(model, **settings)
    with opened as loaded:
        if page:
            found = [entry for file in files for entry in _page_entries(loaded, file, unknown)]
        else:
            found = _entries(loaded, files, unknown)
        result = {"artifact": loaded.artifact.file, "backend": loaded.backend, "predictions": found}
    places = [f"{entry['file']}:{entry['row']}" if "row" in entry else entry["file"] for entry in found]
    width = max(map(len, places), default=0)
    lines = [f"{place:<{width}}  {said(entry)}" for place, entry in zip(places, found, strict=True)]
    emit(result, "\n".join(lines), as_json=as_json)


def _in_bulk(model: str, data: DataChoice, out: str, as_json: bool, **options: Any) -> None:
    from edgepress.scoring import score

    about = {name: value for name, value in vars(data).items() if name != "source"}
    done = score(model, data.source or "", out, **about, **options)
    before = f" ({done.resumed:,} of them before)" if done.resumed else ""
    lines = [
        f"{done.examples:,} answers{before} of {done.artifact} in {done.seconds:.1f} s, {done.per_second:,.0f}/s",
        f"answers: {done.out}",
    ]
    emit(done.to_dict(), "\n".join(lines), as_json=as_json)
    if done.failed:
        raise CheckFailedError(
            f"{done.failed:,} of {done.examples:,} examples have no answer, and the column error says why: "
            f"{done.first_error}"
        )


def _entries(model: Model, files: Sequence[str], unknown: bool) -> list[dict[str, Any]]:
    """One object an example: its file, its row where the file holds several, and what the model says."""
    examples: Any
    if model.contract is None:
        parts = [_as_they_are(model, file) for file in files]
        counts, examples = [len(part) for part in parts], np.concatenate(parts)
    elif (only := model.contract.only) is not None:
        if isinstance(only, Audio):
            _say_resampled(files, only)
        parts = [read_files(file, only) for file in files]
        counts, examples = [len(part) for part in parts], np.concatenate(parts)
    else:
        named = [read_named(file, model.contract) for file in files]
        counts = [len(next(iter(each.values()))) for each in named]
        examples = {name: np.concatenate([each[name] for each in named]) for name in model.contract.inputs}
    rows = iter(_rows(model, model.predict(examples, unknown=unknown)))
    return [
        {"file": file, **({"row": row} if count > 1 else {}), **next(rows)}
        for file, count in zip(files, counts, strict=True)
        for row in range(count)
    ]


def _say_resampled(files: Sequence[str], audio: Audio) -> None:
    """In one line, whose rate is not the model's."""
    recordings = [file for file in files if file.lower().endswith(RECORDING_SUFFIXES)]
    rates = Counter(rate for rate, _ in map(recording_header, recordings) if rate != audio.rate)
    if rates:
        told = ", ".join(f"{count} of {rate:,} Hz" for rate, count in sorted(rates.items()))
        _log.warning("the model hears %s Hz: %s are resampled", f"{audio.rate:,}", told)


def _as_they_are(model: Model, file: str) -> NDArray[Any]:
    """Examples for a lone file, which takes numbers of its input's own shape."""
    specs = model.artifact.inputs
    if len(specs) != 1 or not file.lower().endswith(".npy"):
        raise InputError(
            f"{model.artifact.file} does not say how files become its input: load it from a bundle, or give the "
            "numbers of its one input as .npy"
        )
    spec = specs[0]
    return read_files(file, Tensor(spec.shape[1:], "uint8" if spec.dtype == "uint8" else "float32"))


def _rows(model: Model, prediction: Any) -> list[dict[str, Any]]:
    """As the prediction's own, with probabilities by their labels."""
    rows: list[dict[str, Any]] = prediction.rows()
    for row in rows:
        if "probabilities" in row:
            names = model.labels or tuple(map(str, range(len(row["probabilities"]))))
            row["probabilities"] = dict(zip(names, row["probabilities"], strict=True))
    return rows


def _page_entries(model: Model, file: str, unknown: bool) -> list[dict[str, Any]]:
    prediction, boxes = model.predict_page(file, unknown=unknown)
    rows = _rows(model, prediction)
    return [{"file": file, **row, "box": box} for row, box in zip(rows, boxes.tolist(), strict=True)]


def said(entry: dict[str, Any]) -> str:
    """An answer in words, told by what it holds."""
    for key, words in _WORDS.items():
        if key in entry:
            return words(entry)
    return "  ".join(
        f"{name} {_numbers(entry[name])}" for name in entry if name not in ("file", "row", "time", "until")
    )


def _numbers(values: Any) -> str:
    flat = np.asarray(values).ravel()
    more = f" ... ({flat.size:,} numbers)" if flat.size > _SHOWN else ""
    return " ".join(f"{value:.6g}" for value in flat[:_SHOWN]) + more


def _one_label(entry: dict[str, Any]) -> str:
    box = f"  box {' '.join(map(str, entry['box']))}" if "box" in entry else ""
    return f"{entry['label']}  {entry['probability']:.4f}{box}"


def _several_labels(entry: dict[str, Any]) -> str:
    chances = ", ".join(f"{name} {value:.4f}" for name, value in entry["probabilities"].items())
    return f"{', '.join(entry['labels']) or 'none'}  ({chances})"


def _named_values(entry: dict[str, Any]) -> str:
    units = entry.get("units", {})
    return "  ".join(f"{name} {value:.6g} {units.get(name, '')}".rstrip() for name, value in entry["values"].items())


def _score(entry: dict[str, Any]) -> str:
    return f"{'normal' if entry['normal'] else 'anomaly'}  {entry['score']:.6g}"


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "label": _one_label,
    "labels": _several_labels,
    "values": _named_values,
    "score": _score,
}
"""By the key that tells a task's rows; those of raw models hold nothing but outputs."""
