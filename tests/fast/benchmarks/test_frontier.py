"""The committed files of docs/frontier.md are what their records say."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from edgepress.data import load_dataset
from edgepress.runtime import load

FOLDER = Path(__file__).parents[3] / "docs" / "frontier"
RECORDS = sorted(FOLDER.glob("*.json"))


@pytest.fixture(scope="module")
def mnist():
    folder = os.environ.get("EDGEPRESS_DATA_DIR")
    if not folder or not (Path(folder) / "mnist.npz").exists():
        pytest.skip("EDGEPRESS_DATA_DIR names no folder with mnist.npz: the full test set is needed")
    return load_dataset("mnist")


def test_there_are_five_points():
    assert [path.stem for path in RECORDS] == ["cnn", "mlp", "packed-200x", "packed-250x", "raw"]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_each_file_has_its_bytes(path):
    record = json.loads(path.read_text())
    content = (FOLDER / record["file"]).read_bytes()
    assert len(content) == record["bytes"]
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert f"{record['bytes']:,} bytes" in (FOLDER.parent / "frontier.md").read_text()


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_each_file_answers_as_often_right_as_it_says(path, mnist):
    record = json.loads(path.read_text())
    with load(FOLDER / record["file"], backend="litert", delegate=False) as model:
        prediction = model.predict(mnist.x_test)
    assert model.artifact.file == record["file"]
    assert set(prediction.labels) == set("0123456789")
    # The record is of the default delegate, which may differ by a quantum from processor to processor; without it
    # every processor answers alike, and two images in 10,000 at most otherwise than the record.
    right = float((prediction.indices == mnist.y_test).mean())
    assert right == pytest.approx(record["test_accuracy"], abs=3e-4)
