"""`edgepress press`: the whole way."""

import click

from .common import data_option, emit, json_option, out_option, overwrite_option, reports_errors, seed_option


@click.command()
@data_option
@click.option(
    "--preset",
    type=click.Choice(["quick", "default"]),
    default="default",
    show_default=True,
    help="quick: at most 3 minutes on two cores; default: at most 8.",
)
@seed_option
@out_option("Run folder: models, bundle/ and bundle/report/. A new one below runs/ when not given.")
@overwrite_option
@json_option
@reports_errors
def command(data: str, preset: str, seed: int, out: str | None, overwrite: bool, as_json: bool) -> None:
    """Train, prune and quantize, export, benchmark; print the table, write the bundle and the report.

    A press that was interrupted goes on where it was when the same command is given again.
    """
    from edgepress.benchmarks.table import to_text
    from edgepress.press import press

    result = press(data, out, preset=preset, seed=seed, overwrite=overwrite)
    page = result.bundle / "report" / "report.html"
    emit(
        {"run": str(result.run), "bundle": str(result.bundle), "report": result.report},
        f"{to_text(result.report)}\n\nbundle: {result.bundle}\nreport: {page}",
        as_json=as_json,
    )
    result.exported.raise_if_withheld()
