"""Tables for people: Markdown, HTML, and plain text in columns."""

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table", "markdown_line", "markdown_table", "text_table"]

_RULES = {"l": "---", "r": "---:"}


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, columns: str) -> list[str]:
    """A table in Markdown, one string a line.

    Args:
        head: The columns' titles.
        rows: The cells; what is no text is written as `str` writes it.
        columns: `l` or `r`, for text and for figures, one letter a column; the last letter holds for those that follow.

    Raises:
        ValueError: A row with more or fewer cells than `head`.
    """
    letters = _letters(columns, len(head))
    return [
        markdown_line(head),
        markdown_line([_RULES[letter] for letter in letters]),
        *(markdown_line(row) for row in _same_length(rows, len(head))),
    ]


def markdown_line(cells: Iterable[object]) -> str:
    """One row of such a table; a bar or a line break inside a cell does not end it."""
    texts = [str(cell).replace("\n", " ").replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(texts)} |"


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, columns: str) -> list[str]:
    """A table in HTML as a notebook shows it, one string a line; `columns` as in `markdown_table`.

    Raises:
        ValueError: A row with more or fewer cells than `head`.
    """
    sides = ["left" if letter == "l" else "right" for letter in _letters(columns, len(head))]

    def line(cells: Iterable[object], tag: str) -> str:
        pairs = zip(cells, sides, strict=True)
        return "".join(f'<{tag} style="text-align: {side}">{html.escape(str(cell))}</{tag}>' for cell, side in pairs)

    body = [f"<tr>{line(row, 'td')}</tr>" for row in _same_length(rows, len(head))]
    return ["<table>", f"<thead><tr>{line(head, 'th')}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"]


def text_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, columns: str) -> list[str]:
    """A table in columns of equal width, one string a line; `columns` as in `markdown_table`.

    Raises:
        ValueError: A row with more or fewer cells than `head`.
    """
    letters = _letters(columns, len(head))
    lines = [list(head), *([str(cell) for cell in row] for row in _same_length(rows, len(head)))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if letter == "l" else cell.rjust(width)
            for cell, width, letter in zip(line, widths, letters, strict=True)
        ).rstrip()
        for line in lines
    ]


def _letters(columns: str, count: int) -> str:
    return columns.ljust(count, columns[-1])[:count]


def _same_length(rows: Iterable[Sequence[object]], count: int) -> Iterable[Sequence[object]]:
    for row in rows:
        if len(row) != count:
            raise ValueError(f"a row of {len(row)} cells in a table of {count} columns: {list(row)}")
        yield row
