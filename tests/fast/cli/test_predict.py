"""`edgepress predict` takes what the contract takes, and says what the task says."""

import json
import wave

import numpy as np
import pytest
from bundles import golden, write_bundle
from click.testing import CliRunner
from PIL import Image

from edgepress.cli import main
from edgepress.runtime import Contract, Picture, Task, load
from edgepress.runtime.contract import Audio, Features, Signal, Tensor

TEN = tuple("0123456789")
COLUMNS = tuple(f"x{i}" for i in range(784))
DIGITS = Task("multiclass", "logits", TEN)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def said(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def rows(*arguments):
    return json.loads("\n".join(said(*arguments, "--json")))["predictions"]


def refused(*arguments):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def made(tmp_path):
    def make(contract, task=DIGITS):
        folder = tmp_path / "bundle"
        return write_bundle(folder, golden("digits-float32.tflite"), contract=Contract({"image": contract}), task=task)

    return make


OPTIONS = ("--variant", "float32")


def test_rows_of_a_table(made, tmp_path, digits):
    bundle = made(Features(COLUMNS, mean=(0.0,) * 784, std=(255.0,) * 784))
    pixels = digits[0][:3].reshape(3, 784)
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in pixels)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    np.save(tmp_path / "t.npy", pixels[:1])
    found = rows("predict", bundle, tmp_path / "t.csv", tmp_path / "t.npy", *OPTIONS)
    with load(bundle, variant="float32") as model:
        wanted = model.predict(pixels[[0, 1, 2, 0]]).labels.tolist()
    assert [each["label"] for each in found] == wanted
    assert [each.get("row") for each in found] == [0, 1, 2, None]
    text = said("predict", bundle, tmp_path / "t.csv", *OPTIONS)
    assert text[2].startswith(f"{tmp_path / 't.csv'}:2  {wanted[2]}  0.")
    (tmp_path / "t.csv").write_text(f"{lines[0]}\n{','.join(['words'] * 784)}\n")
    assert "'x0' is 'words'" in refused("predict", bundle, tmp_path / "t.csv", *OPTIONS)


def test_windows_of_a_signal(made, tmp_path):
    bundle = made(Signal(112, tuple("abcdefg")))
    np.save(tmp_path / "w.npy", np.zeros((2, 112, 7), np.float32))
    assert len(rows("predict", bundle, tmp_path / "w.npy", *OPTIONS)) == 2
    np.save(tmp_path / "w.npy", np.zeros((2, 100, 7), np.float32))
    assert "(112, 7) is allowed" in refused("predict", bundle, tmp_path / "w.npy", *OPTIONS)
    np.save(tmp_path / "w.npy", np.full((2, 112, 7), np.nan, np.float32))
    assert "NaN" in refused("predict", bundle, tmp_path / "w.npy", *OPTIONS)


def test_recordings(made, tmp_path):
    bundle = made(Audio(784, 784))
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 784, 0, "NONE", ""))
        file.writeframes(np.zeros(500, np.int16).tobytes())
    assert len(rows("predict", bundle, tmp_path / "a.wav", *OPTIONS)) == 1


def test_pictures_as_files_and_as_arrays(made, tmp_path, digits):
    bundle = made(Picture(28, 28))
    np.save(tmp_path / "p.npy", digits[0][:2])
    Image.fromarray(digits[0][0]).save(tmp_path / "p.png")
    found = rows("predict", bundle, tmp_path / "p.npy", tmp_path / "p.png", *OPTIONS)
    assert [each["label"] for each in found[::2]] == [str(digits[1][0])] * 2
    np.save(tmp_path / "p.npy", digits[0][:2] / 255)
    assert "pixels are uint8" in refused("predict", bundle, tmp_path / "p.npy", *OPTIONS)


@pytest.mark.parametrize(
    ("task", "keys", "words"),
    [
        (Task("multilabel", "logits", TEN), {"labels", "probabilities"}, "("),
        (Task("regression", "values", TEN, ("kg",) * 10), {"values", "units"}, " kg  1 "),
        (Task("raw", "raw"), {"dense_1"}, "dense_1 "),
    ],
    ids=["multilabel", "regression", "raw"],
)
def test_what_the_task_says(made, tmp_path, digits, task, keys, words):
    bundle = made(Tensor((784,)), task)
    np.save(tmp_path / "x.npy", digits[0][:1].reshape(1, 784) / np.float32(255))
    (row,) = rows("predict", bundle, tmp_path / "x.npy", *OPTIONS)
    assert set(row) == {"file", *keys}
    (line,) = said("predict", bundle, tmp_path / "x.npy", *OPTIONS)
    assert words in line


def test_several_inputs_come_from_one_archive(tmp_path):
    contract = Contract({"left": Features(tuple("abcd")), "right": Features(tuple("efg"))})
    bundle = write_bundle(tmp_path / "bundle", golden("two-inputs.tflite"), contract=contract, task=Task("raw", "raw"))
    np.savez(tmp_path / "x.npz", left=np.ones((2, 4)), right=np.zeros((2, 3)))
    found = rows("predict", bundle, tmp_path / "x.npz", "--variant", "inputs")
    assert [set(each) for each in found] == [{"file", "row", "sum", "gate"}] * 2
    np.savez(tmp_path / "x.npz", left=np.ones((2, 4)))
    assert "holds left: an .npz with the arrays left, right" in refused(
        "predict", bundle, tmp_path / "x.npz", "--variant", "inputs"
    )


def test_a_lone_file_takes_its_own_numbers(tmp_path):
    """Its last operator is a softmax; how pictures become its input, nothing says."""
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8, 1), np.float32))
    file = tmp_path / "conv.tflite"
    file.write_bytes(golden("conv.tflite")["conv.tflite"])
    assert len(rows("predict", file, tmp_path / "x.npy")) == 2
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    assert "does not say how files become its input" in refused("predict", file, tmp_path / "x.png")
