"""The studies of bulk scoring and of memory, in small: they measure what is really run, and their tables say it."""

from pathlib import Path

import pytest

from edgepress.benchmarks.studies import bulk, memory
from edgepress.runtime import load

RAW = Path(__file__).parents[3] / "docs/frontier/raw.tflite"
MACHINE = {"cores": 2}


def test_bulk_scoring_is_measured_and_a_kill_changes_nothing(tmp_path):
    data, count = tmp_path / "pictures.npz", 70_000
    images = bulk.make_pictures(data, count)
    with load(RAW) as model:
        measured = {"bare": bulk.bare_rate(model, images)}
        artifact = model.artifact.file
    measured |= {f"workers_{n}": bulk.bulk_rate(RAW, data, tmp_path / f"{n}.parquet", n) for n in (1, 2)}
    assert all(figures["per_second"] > 0 for figures in measured.values())
    killed = bulk.kill_midway(RAW, data, tmp_path, count, 2)
    assert (killed["rows"], killed["index_once_and_in_order"], killed["equal"]) == (count, True, True)
    assert not killed["table_before"]
    record = {"rounds": [measured], "killed": killed, "examples": count, "artifact": artifact, "machine": MACHINE}
    table = bulk.to_table(record)
    assert "70,000 rows, the same table" in table
    assert "ANOTHER TABLE" in bulk.to_table(record | {"killed": killed | {"equal": False}})


def test_memory_is_measured_in_a_limited_address_space(tmp_path):
    pictures = memory.make_pictures(tmp_path / "pictures", 40, 32)
    model = memory.make_model(tmp_path / "model.keras", 32)
    found = memory.measure("press", model, pictures, tmp_path / "out", in_pieces=True, spare_mb=1500)
    assert 0 < found["started_mb"] <= found["read_mb"] <= found["peak_mb"]
    assert found["wait_share"] >= 0
    with pytest.raises(RuntimeError, match=r".+"):
        memory.measure("press", model, pictures, tmp_path / "out", in_pieces=True, spare_mb=1)
    rows = [{"images": n, "way": "in pieces", **found, "peak_mb": peak} for n, peak in ((40, 900.0), (1040, 910.0))]
    table = memory.to_table({"size": 32, "spare_mb": 1500, "measured": rows})
    assert "in pieces 10.0 KB" in table
    assert "1,500 MB beyond" in table
