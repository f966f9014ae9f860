"""`edgepress train`: a data set in, a pressed `.keras` file out."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from edgepress.base.files import check_writable

from .common import (
    DataChoice,
    backbone_option,
    custom_option,
    data_options,
    emit,
    json_option,
    model_option,
    out_option,
    overwrite_option,
    preset_option,
    reports_errors,
    seed_option,
    teacher_option,
)

__all__ = ["command"]


@click.command("train")
@data_options()
@model_option
@teacher_option
@backbone_option
@click.option("--input", "input_", metavar="NAME|FILE", help="How a backbone takes its input; see `edgepress press`.")
@preset_option
@seed_option
@click.option("--epochs", type=click.IntRange(1), help="Epochs of the baseline, in place of the preset's.")
@click.option("--weight-bits", type=click.Choice(["2", "4", "8"]), help="Bits of a weight, in place of the preset's.")
@click.option("--baseline", is_flag=True, help="Fit the float model only.")
@out_option("The .keras file to write.", default="model.keras", show_default=True)
@click.option("--tensorboard", type=click.Path(), metavar="PATH", help="Folder for TensorBoard logs.")
@overwrite_option
@json_option
@reports_errors
@custom_option
def command(
    data: DataChoice,
    model: str | None,
    teacher: str | None,
    backbone: str | None,
    input_: str | None,
    preset: str,
    seed: int,
    epochs: int | None,
    weight_bits: str | None,
    baseline: bool,
    out: str,
    tensorboard: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Fit a float baseline, prune it, and train it quantization-aware.

    The pressed model is written to --out, the baseline beside it as NAME-float.keras, each with its history. A run that
    was stopped goes on where it was when the same command is given again.
    """
    from edgepress.train import TrainConfig, configure, train

    check_writable(Path(out))
    if tensorboard is not None:
        check_writable(Path(tensorboard) / "events")
    TrainConfig.preset(preset)
    dataset = data.load(in_pieces=True)
    config, start = configure(
        dataset, preset, task=data.task, model=model, teacher=teacher, backbone=backbone, seed=seed
    )
    if epochs is not None:
        config = dataclasses.replace(config, epochs=epochs)
    if weight_bits is not None:
        config = dataclasses.replace(config, weight_bits=int(weight_bits))
    result = train(
        dataset,
        config,
        out,
        model=start,
        task=data.task,
        input=input_,
        baseline_only=baseline,
        overwrite=overwrite,
        tensorboard=tensorboard,
    )
    summary: dict[str, Any] = {
        "model": str(result.path),
        "bytes": Path(result.path).stat().st_size,
        "dataset": result.history.dataset,
        "seed": seed,
    }
    told = ""
    if result.validation is not None:
        name, value = result.validation
        summary[f"validation_{name}"] = value
        told = f": validation {name} {value:.4f}"
    emit(summary, f"{result.path}{told}", as_json=as_json)
