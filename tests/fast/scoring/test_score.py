"""`edgepress predict --data`: every row there once, in order, whatever the source and the task."""

import json
import zipfile

import numpy as np
import pytest
from bundles import golden, write_bundle
from click.testing import CliRunner
from PIL import Image

from edgepress.cli import main
from edgepress.data import load_dataset
from edgepress.runtime import Contract, Picture, Task, load
from edgepress.runtime.contract import Features, Tensor

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the table extra")
TEN = tuple("0123456789")
DIGITS = Task("multiclass", "logits", TEN)
COLUMNS = tuple(f"x{i}" for i in range(784))


def run(*arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments), "--variant", "float32"])


def answers(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return parquet.read_table(json.loads(done.stdout)["out"]).to_pydict()


def refused(*arguments, status=2):
    done = run(*arguments)
    assert done.exit_code == status, done.output
    last = done.stderr.splitlines()[-1]
    assert last.startswith("edgepress: ")
    return last


@pytest.fixture
def made(tmp_path):
    def make(contract, task=DIGITS):
        folder = tmp_path / "bundle"
        return write_bundle(folder, golden("digits-float32.tflite"), contract=Contract({"image": contract}), task=task)

    return make


@pytest.fixture
def pictures(made):
    return made(Picture(28, 28))


def test_an_archive_keeps_its_own_order_and_has_parts(pictures, tmp_path, digits):
    images, labels = digits[0][:500], digits[1][:500]
    np.savez(tmp_path / "d.npz", x=images, y=labels)
    found = answers(pictures, "--data", tmp_path / "d.npz", "--out", tmp_path / "a.parquet")
    with load(pictures, variant="float32") as model:
        wanted = model.predict(images)
    assert found["index"] == list(range(500))
    assert found["label"] == wanted.labels.tolist()
    np.testing.assert_allclose(found["probability_3"], wanted.probabilities[:, 3], atol=1e-6)
    assert found["true_label"] == [str(label) for label in labels]
    tests = answers(pictures, "--data", tmp_path / "d.npz", "--out", tmp_path / "t.parquet", "--part", "test")
    dataset = load_dataset(tmp_path / "d.npz")
    assert tests["index"] == dataset.test.places.tolist()
    assert tests["true_label"] == [str(label) for label in dataset.y_test]
    assert tests["label"] == wanted.labels[dataset.test.places].tolist()
    assert [place for place, part in enumerate(found["part"]) if part == "test"] == tests["index"]
    assert "no part validation: it has train, test" in refused(
        pictures, "--data", tmp_path / "d.npz", "--out", tmp_path / "v.parquet", "--part", "validation"
    )


@pytest.mark.parametrize("compressed", [False, True], ids=["stored", "compressed"])
def test_a_large_archive_is_read_in_pieces(pictures, tmp_path, compressed):
    images = np.zeros((90_000, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(90_000) % 251
    (np.savez_compressed if compressed else np.savez)(tmp_path / "d.npz", x=images, y=np.arange(90_000) % 10)
    rows = load_dataset(tmp_path / "d.npz", in_pieces=True).test.inputs[""]
    assert not isinstance(rows, np.ndarray)
    np.testing.assert_array_equal(np.asarray(rows), load_dataset(tmp_path / "d.npz").x_test)
    if not compressed:
        data = bytearray((tmp_path / "d.npz").read_bytes())
        data[1_000_000] ^= 1
        (tmp_path / "d.npz").write_bytes(data)
        assert "not a whole .npz" in refused(pictures, "--data", tmp_path / "d.npz", "--out", tmp_path / "a.parquet")


def test_pictures_in_folders_with_and_without_classes(pictures, tmp_path, digits):
    for place, (image, label) in enumerate(zip(digits[0][:12], digits[1][:12], strict=True)):
        folder = tmp_path / "digits" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{place}.png")
    found = answers(pictures, "--data", tmp_path / "digits", "--out", tmp_path / "a.parquet")
    with load(pictures, variant="float32") as model:
        wanted = [model.predict_files(tmp_path / "digits" / file).labels[0] for file in found["file"]]
    assert found["label"] == wanted
    assert found["true_label"] == [file.split("/")[0] for file in found["file"]]
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in found["file"]:
            archive.write(tmp_path / "digits" / file, file)
    two = answers(pictures, "--data", tmp_path / "d.zip", "--out", tmp_path / "z.parquet", "--workers", 2)
    assert two == found
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in found["file"]:
        (flat / file.replace("/", "-")).write_bytes((tmp_path / "digits" / file).read_bytes())
    plain = answers(pictures, "--data", flat, "--out", tmp_path / "f.parquet")
    assert plain["label"] == found["label"]
    assert not {"true_label", "part", "error"} & set(plain)
    (flat / "0-a.png").write_bytes(b"no picture")
    why = refused(pictures, "--data", flat, "--out", tmp_path / "e.parquet", status=1)
    assert "1 of 13 examples have no answer" in why
    assert "0-a.png" in why
    broken = parquet.read_table(tmp_path / "e.parquet").to_pydict()
    place = broken["file"].index("0-a.png")
    assert broken["label"].pop(place) is None
    assert "0-a.png" in broken["error"].pop(place)
    assert broken["label"] == found["label"]
    assert set(broken["error"]) == {None}


def test_a_table_needs_no_label(made, tmp_path, digits):
    bundle = made(Features(COLUMNS, mean=(0.0,) * 784, std=(255.0,) * 784))
    pixels = digits[0][:30].reshape(30, 784)
    lines = [",".join([*COLUMNS, "digit"])]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(pixels, digits[1][:30], strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = answers(bundle, "--data", tmp_path / "t.csv", "--out", tmp_path / "a.parquet")
    with load(bundle, variant="float32") as model:
        assert found["label"] == model.predict(pixels).labels.tolist()
    told = answers(bundle, "--data", tmp_path / "t.csv", "--out", tmp_path / "b.parquet", "--label", "digit")
    assert told.pop("true_label") == [str(label) for label in digits[1][:30]]
    assert told == found
    import pyarrow

    parquet.write_table(pyarrow.table(dict(zip(COLUMNS, pixels.T, strict=True))), tmp_path / "t.parquet")
    assert answers(bundle, "--data", tmp_path / "t.parquet", "--out", tmp_path / "c.parquet") == found
    assert "has no column 'nothing'" in refused(
        bundle, "--data", tmp_path / "t.csv", "--out", tmp_path / "d.parquet", "--label", "nothing"
    )


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        (Task("multilabel", "logits", TEN), ["labels", *(f"probability_{name}" for name in TEN)]),
        (Task("regression", "values", TEN, ("kg",) * 10), [f"value_{name}" for name in TEN]),
        (Task("raw", "raw"), ["output_dense_1"]),
    ],
    ids=["multilabel", "regression", "raw"],
)
def test_columns_of_a_task(made, tmp_path, digits, task, columns):
    bundle = made(Tensor((784,)), task)
    examples = digits[0][:5].reshape(5, 784) / np.float32(255)
    np.save(tmp_path / "x.npy", examples)
    found = answers(bundle, "--data", tmp_path / "x.npy", "--out", tmp_path / "a.parquet")
    assert list(found) == ["index", *columns]
    with load(bundle, variant="float32") as model:
        rows = model.predict(examples).rows()
    first = next(iter(rows[0].values()))
    told = [found[column][0] for column in columns]
    if task.kind == "multilabel":
        assert told[0] == first
        assert told[1:] == pytest.approx(rows[0]["probabilities"], abs=1e-6)
    else:
        numbers = list(first.values()) if isinstance(first, dict) else [first]
        assert np.ravel(told) == pytest.approx(np.ravel(numbers), abs=1e-5)
    assert run(bundle, "--data", tmp_path / "x.npy", "--out", tmp_path / "a.csv").exit_code == 0
    header, first, *_ = (tmp_path / "a.csv").read_text().splitlines()
    assert header.replace('"', "").split(",") == list(found)
    assert first.startswith("0,")


def test_what_is_refused(pictures, tmp_path, digits):
    np.savez(tmp_path / "d.npz", x=digits[0][:50], y=digits[1][:50])
    given = (pictures, "--data", tmp_path / "d.npz")
    assert "needs --out" in refused(*given)
    assert "one of the two" in refused(pictures)
    assert "--workers is for --data" in refused(pictures, "a.png", "--workers", 2)
    assert "--label is for --data" in refused(pictures, "a.png", "--label", "x")
    assert "--normal is for anomalies" in refused(*given, "--out", tmp_path / "a.csv", "--normal", "x")
    np.save(tmp_path / "n.npy", digits[0][:2])
    assert "--input-shape says nothing about" in refused(
        pictures, "--data", tmp_path / "n.npy", "--out", tmp_path / "a.csv", "--input-shape", "28x28"
    )
    assert "one of the two" in refused(*given, "a.png", "--out", tmp_path / "a.csv")
    assert ".parquet or .csv" in refused(*given, "--out", tmp_path / "a.json")
    answers(*given, "--out", tmp_path / "a.parquet")
    assert "exists already" in refused(*given, "--out", tmp_path / "a.parquet")
    assert len(answers(*given, "--out", tmp_path / "a.parquet", "--overwrite")["index"]) == 50
    (tmp_path / "b.parquet.shards").mkdir()
    (tmp_path / "b.parquet.shards/job.json").write_text("{}")
    assert "answers of another model" in refused(*given, "--out", tmp_path / "b.parquet")
    assert (tmp_path / "b.parquet.shards/job.json").exists()
    np.save(tmp_path / "w.npy", np.zeros((3, 10, 10), np.uint8))
    assert "not one of 3 examples" in refused(
        pictures, "--data", tmp_path / "w.npy", "--out", tmp_path / "w.parquet", status=1
    )
