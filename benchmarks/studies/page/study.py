"""What studies of many rows share: which of them are asked for, and where their table goes."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .figures import insert_figures

__all__ = ["chosen", "conclude"]


def chosen(
    parser: argparse.ArgumentParser, text: str, allowed: Iterable[str], what: str, *, separator: str = ","
) -> list[str]:
    """The names in an option's text; another than those that are allowed ends the program in one line, status 2."""
    names, known = text.split(separator), list(allowed)
    between = f"{separator} "
    if unknown := [name for name in names if name not in known]:
        parser.error(f"{what} {between.join(unknown)}: allowed are {between.join(known)}")
    return names


def conclude(study: str, text: str, command: str, pages: Sequence[Path], wrong: Sequence[str]) -> int:
    """Print a study's table, put it into pages with the command that made it, and tell what went wrong; the exit
    status.

    Args:
        study: Its name, which is that of its block in a page too.
        text: The table.
        command: What makes it again.
        pages: Markdown files.
        wrong: What failed, or missed what it must show.
    """
    print(text)
    for page in pages:
        insert_figures(page, study, f"{text}\n\nWritten by `{command}`.")
    for line in wrong:
        print(f"{study}: {line}", file=sys.stderr)
    return 1 if wrong else 0
