"""A search as Markdown."""

import json

import pytest

from edgepress.benchmarks.statistics.margins import PERCENT, POINTS
from edgepress.press.budget import Budget
from edgepress.press.search_figures import search_figures, verdict
from edgepress.runtime import InputError


@pytest.mark.parametrize(("metric", "unit"), [("accuracy", POINTS), ("mae", PERCENT)])
def test_a_search_is_a_table_with_its_choice(metric, unit, tmp_path):
    small = {
        "trial": 0, "file": "a.xz", "variant": "tflite:int8", "packed": True, "parameters": {"sparsity": 0.8},
        "value": 0.98, "drop": 0.2, "unit": unit, "bytes": 9_000, "latency_us": None,
    }  # fmt: skip
    found = {
        "trial_seconds": [10.0, 20.0],
        "schema": 2,
        "metric": {"name": metric, "better": "higher", "float": 0.982, "trivial": 0.1, "drops_in": unit},
        "budget": {"max_drop": 0.3, "max_bytes": None, "max_latency_us": None},
        "choice": small,
        "front": [small, small | {"file": "b.xz", "drop": 0.4}, small | {"file": "c.xz", "bytes": 8_000}],
        "candidates": [small] * 4,
    }
    (tmp_path / "search").mkdir()
    (tmp_path / "search/search.json").write_text(json.dumps(found))
    (tmp_path / "run.json").write_text(json.dumps({"dataset": "mnist", "preset": "quick"}))
    lines = search_figures(tmp_path).splitlines()
    assert lines[0].startswith("mnist, preset quick, max_drop 0.3: 2 models, 4 files; a model took 15 s")
    assert f"| drop, {unit} |" in lines[2]
    assert [line.split("|")[-2].strip() for line in lines[4:]] == ["chosen", "no", "yes"]
    assert verdict(tmp_path, Budget(max_bytes=9_500)).startswith("chosen: a.xz (sparsity 0.8): drop 0.20")
    never = verdict(tmp_path, Budget(max_drop=0.1))
    assert "none of 4 models" in never
    assert f"0.20 {unit} instead of 0.1" in never
    with pytest.raises(InputError, match="press with a budget"):
        search_figures(tmp_path / "search")


def test_a_search_that_counted_otherwise_is_not_read_as_one_of_ours(tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search/search.json").write_text(json.dumps({"schema": 1, "candidates": [{"drop_points": 0.2}]}))
    with pytest.raises(InputError, match="schema 1, 2 is read: press it again"):
        verdict(tmp_path, Budget(max_bytes=1))
