"""Figures in documents come from a script."""

import pytest

from edgepress.benchmarks.studies.figures import insert_figures
from edgepress.runtime import InputError


def test_only_the_marked_part_changes(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- figures: x -->\nold\n<!-- end -->\nb\n<!-- figures: y -->\nkept\n<!-- end -->\n")
    insert_figures(page, "x", r"new \1")
    assert page.read_text() == (
        "a\n<!-- figures: x -->\nnew \\1\n<!-- end -->\nb\n<!-- figures: y -->\nkept\n<!-- end -->\n"
    )


@pytest.mark.parametrize("text", ["no markers", "<!-- figures: x -->\n<!-- end -->\n" * 2])
def test_a_page_without_its_markers_is_refused_and_kept(tmp_path, text):
    page = tmp_path / "README.md"
    page.write_text(text)
    with pytest.raises(InputError, match="figures: x"):
        insert_figures(page, "x", "new")
    assert page.read_text() == text
