"""Write figures between the markers of a Markdown file, with the command that made them.

    python -m edgepress.benchmarks.studies.page.figures README.md press runs/mnist-default-1/bundle/report/report.json

puts a report's table between `<!-- figures: press -->` and `<!-- end -->`; with `-` for the report, what stands on
standard input:

    python -m edgepress.benchmarks.studies.installed_size |
        python -m edgepress.benchmarks.studies.page.figures docs/install.md installed-size -
"""

import re
import sys
from pathlib import Path

from edgepress.base.files import write_file
from edgepress.runtime import InputError

from ...report.table import to_markdown
from ...report.write import read_report

__all__ = ["insert_figures"]


def insert_figures(page: Path, name: str, text: str) -> None:
    """Replace what stands between the markers `<!-- figures: NAME -->` and `<!-- end -->` of a Markdown file.

    Raises:
        InputError: The page has no such markers, or has them twice.
    """
    start = f"<!-- figures: {name} -->"
    pattern = re.compile(re.escape(start) + r".*?<!-- end -->", re.DOTALL)
    content = page.read_text()
    if len(pattern.findall(content)) != 1:
        raise InputError(f"{page} must hold {start} and <!-- end --> once: add them where the figures belong")
    # Indentation stays: it makes a block of code.
    lines = text.strip("\n")
    write_file(page, pattern.sub(lambda _: f"{start}\n{lines}\n<!-- end -->", content))


def _main() -> None:
    page, name, report_file = sys.argv[1:]
    if report_file == "-":
        insert_figures(Path(page), name, sys.stdin.read())
        return
    report = read_report(report_file)
    command = f"python -m edgepress.benchmarks.studies.page.figures {page} {name} {report_file}"
    made = f"Written by `scripts/press` and `{command}` on {report.created[:10]}."
    insert_figures(Path(page), name, f"{to_markdown(report)}\n{made}")


if __name__ == "__main__":
    _main()
