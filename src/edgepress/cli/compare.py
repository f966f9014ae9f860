"""`edgepress compare`."""

from pathlib import Path

import click

from edgepress.base.files import write_file

from .common import emit, json_option, out_option, reports_errors

__all__ = ["command"]


@click.command("compare")
@click.argument("reports", type=click.Path(), nargs=-1, required=True)
@out_option("Folder for compare.md and each device's report.html with its pictures; needs the toolkit extra.")
@json_option
@reports_errors
def command(reports: tuple[str, ...], out: str | None, as_json: bool) -> None:
    """Merge the REPORTS (report.json files) of several machines into one table."""
    from edgepress.benchmarks import merge_reports, read_report, write_report
    from edgepress.benchmarks.report.devices import to_comparison_markdown, to_comparison_text
    from edgepress.benchmarks.report.write import check_report_place

    if out is not None:
        check_report_place(Path(out) / "device-1")
    found = [read_report(path) for path in reports]
    merged = merge_reports(found)
    if out is not None:
        write_file(Path(out) / "compare.md", to_comparison_markdown(merged))
        for number, report in enumerate(found, 1):
            write_report(report, Path(out) / f"device-{number}")
    emit(merged.to_dict(), to_comparison_text(merged), as_json=as_json)
