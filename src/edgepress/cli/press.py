"""`edgepress press`: the whole way."""

from pathlib import Path

import click

from edgepress.runtime import InputError

from .common import (
    DataChoice,
    asking_options,
    backbone_option,
    bounds_of,
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
    terminal_width,
)

__all__ = ["command"]

_TRIALS = 12


@click.command()
@data_options()
@asking_options
@model_option
@teacher_option
@backbone_option
@preset_option
@seed_option
@out_option("Run folder: models, bundle/ and bundle/report/. A new one below runs/ when not given.")
@overwrite_option
@click.option(
    "--max-drop",
    type=float,
    metavar="LOSS",
    help="Search: how much worse the task's metric may be: points of accuracy, macro F1 or ROC AUC; of a regression, "
    "whose metric is an error, percent of the error of the mean as every answer.",
)
@click.option("--max-bytes", type=int, metavar="BYTES", help="Search: size of the model file.")
@click.option("--max-latency-us", type=float, metavar="US", help="Search: median time of one example here.")
@click.option("--trials", type=click.IntRange(1), help="Models that a search trains; 12 when not given.")
@click.option(
    "--workers", type=click.IntRange(1), help="Of a search: models that are trained at a time; 1 when not given."
)
@click.option(
    "--ray", metavar="ADDRESS|local", help="Of a search: run its trials as tasks of Ray; needs the ray extra."
)
@click.option("--trial-cpus", type=click.IntRange(1), help="With --ray: processors of a trial; 1 when not given.")
@click.option(
    "--trial-gpus",
    type=click.FloatRange(0),
    help="With --ray: GPUs of a trial, or a share of one; none when not given.",
)
@json_option
@reports_errors
@custom_option
def command(
    data: DataChoice,
    input_: str | None,
    bounds: tuple[str, ...],
    accept_chance: bool,
    model: str | None,
    teacher: str | None,
    backbone: str | None,
    preset: str,
    seed: int,
    out: str | None,
    overwrite: bool,
    max_drop: float | None,
    max_bytes: int | None,
    max_latency_us: float | None,
    trials: int | None,
    workers: int | None,
    ray: str | None,
    trial_cpus: int | None,
    trial_gpus: float | None,
    as_json: bool,
) -> None:
    """Train, prune and quantize, export, benchmark; print the table, write the bundle and the report.

    A Keras file of your own as --model is the float model: it is pressed from its own weights.

    With --max-drop, --max-bytes or --max-latency-us, widths or channels, pixels, bits and sparsities are searched for
    the best model that keeps these limits on held-back training examples; search/ in the run folder shows the front.

    A press that was interrupted goes on where it was when the same command is given again.
    """
    from edgepress.benchmarks import report_to_dict
    from edgepress.benchmarks.report.terminal import to_terminal
    from edgepress.benchmarks.report.write import check_report_place
    from edgepress.press import Budget, Needs, press

    check_report_place(Path(out or "runs") / "bundle/report")
    limits = (max_drop, max_bytes, max_latency_us)
    budget = Budget(*limits) if any(limit is not None for limit in limits) else None
    for option, value in (("--trials", trials), ("--workers", workers), ("--ray", ray)):
        if value is not None and budget is None:
            raise InputError(
                f"{option} without a limit: name --max-drop, --max-bytes or --max-latency-us to search for"
            )
    asked = trial_cpus is not None or trial_gpus is not None
    if asked and ray is None:
        raise InputError("--trial-cpus and --trial-gpus are said to Ray: name --ray, or leave them out")
    result = press(
        data.load(in_pieces=True), out, model=model, teacher=teacher, backbone=backbone, preset=preset, seed=seed,
        overwrite=overwrite, budget=budget, trials=trials or _TRIALS, workers=workers or 1, ray=ray,
        needs=Needs(trial_cpus or 1, trial_gpus or 0) if asked else None,
        task=data.task, input=input_, bounds=bounds_of(bounds), accept_chance=accept_chance,
    )  # fmt: skip
    page = result.bundle / "report" / "report.html"
    emit(
        {"run": str(result.run), "bundle": str(result.bundle), "report": report_to_dict(result.report)},
        f"{to_terminal(result.report, width=terminal_width())}\n\nbundle: {result.bundle}\nreport: {page}",
        as_json=as_json,
    )
    result.exported.raise_if_withheld()
