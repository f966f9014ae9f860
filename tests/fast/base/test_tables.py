"""One way to write a table in Markdown, and one in columns."""

import re
from pathlib import Path

import pytest

from edgepress.base.tables import html_table, markdown_table, text_table

HEAD, ROWS = ("name", "bytes", "us"), [("a", 1, "2.0"), ("longer", 1000, "10.25")]


def test_markdown():
    assert markdown_table(HEAD, ROWS, columns="lr") == [
        "| name | bytes | us |",
        "| --- | ---: | ---: |",
        "| a | 1 | 2.0 |",
        "| longer | 1000 | 10.25 |",
    ]


def test_nothing_in_a_cell_ends_it():
    assert markdown_table(("a",), [("x | y\nz",)], columns="l")[2] == r"| x \| y z |"


def test_html():
    lines = html_table(("name", "x < y"), [("<b>", 1)], columns="lr")
    assert lines[1] == (
        '<thead><tr><th style="text-align: left">name</th><th style="text-align: right">x &lt; y</th></tr></thead>'
    )
    assert lines[3] == '<tr><td style="text-align: left">&lt;b&gt;</td><td style="text-align: right">1</td></tr>'


def test_text_in_columns():
    assert text_table(HEAD, ROWS, columns="lr") == [
        "name    bytes     us",
        "a           1    2.0",
        "longer   1000  10.25",
    ]


@pytest.mark.parametrize("table", [markdown_table, text_table])
def test_a_row_of_another_length_is_an_error(table):
    with pytest.raises(ValueError, match="2 cells in a table of 3"):
        table(HEAD, [("a", 1)], columns="l")


def test_no_other_module_writes_tables_by_hand():
    root = Path(__file__).parents[3]
    by_hand = re.compile(r'"\| |\| ---')
    found = [
        str(file.relative_to(root))
        for stage in ("train", "export", "runtime", "benchmarks", "src/edgepress/press", "src/edgepress/cli")
        for file in (root / stage).rglob("*.py")
        if by_hand.search(file.read_text())
    ]
    assert found == []
