"""The study of a search on a cluster counts what a real journal holds, and its table says what went wrong."""

import json

import pytest

from edgepress.benchmarks.studies import cluster

optuna = pytest.importorskip("optuna", reason="needs the toolkit extra")
MACHINE = {"cores": 2}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "search").mkdir()
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "search/journal.log"))
    study = optuna.create_study(
        study_name="press", storage=optuna.storages.JournalStorage(backend), directions=["minimize", "minimize"]
    )
    candidates = []
    for _ in range(3):
        trial = study.ask()
        trial.suggest_categorical("sparsity", [0.5, 0.9])
        study.tell(trial, [1.0, 2.0])
        candidates.append({"trial": trial.number, "file": "a.tflite", "bytes": 9, "value": 0.5})
    study.ask()
    (tmp_path / "search/search.json").write_text(json.dumps({"candidates": candidates, "choice": candidates[0]}))
    return tmp_path


def test_a_journal_is_counted(folder):
    found = cluster.judged(folder, 3)
    assert (found["trials"], found["ended"], found["twice"]) == (3, 3, 0)
    assert len(found["candidates"]) == 3
    assert cluster._seconds(folder) >= 0
    lines = (folder / "search/journal.log").read_text().splitlines()
    again = next(line for line in lines if json.loads(line)["op_code"] == cluster._STATE and '"state":1' in line)
    (folder / "search/journal.log").write_text("\n".join([*lines, again, '{"op_code": 6, "cut']))
    assert cluster.judged(folder, 3)["twice"] == 1


def test_the_table(folder):
    found = cluster.judged(folder, 3) | {"before": 2}
    record = {"trials": 3, "machine": MACHINE, "rounds": [], "killed": cluster._compared(found, found)}
    assert "3 of 3 trials there, none twice, the same choice as without (3 of 3" in cluster.to_table(record)
    other = cluster._compared(found, found | {"choice": None, "candidates": []})
    ways = {"one node": {"seconds": 60.0}, "two nodes": {"seconds": 30.0}}
    table = cluster.to_table(
        record | {"killed": other | {"twice": 1}, "rounds": [ways, {"one node": {"seconds": 1.0}}]}
    )
    assert "| two nodes | 6.0 | 2.00 |" in table
    assert "1 twice, ANOTHER CHOICE" in table
