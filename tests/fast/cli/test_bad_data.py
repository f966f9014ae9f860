"""Bad data: one line that says what came and how to mend it, exit status 2, and nothing half-written."""

import numpy as np
import pytest
from click.testing import CliRunner
from kinds import make_kind, wav
from PIL import Image

from edgepress.cli import main


def table(folder, rows="1,2,yes\n3,4,no\n" * 20, head="a,b,y"):
    (folder / "t.csv").write_text(f"{head}\n{rows}")
    return ["--data", folder / "t.csv"]


def pictures(folder, *classes, part=""):
    for name in classes:
        (folder / "pets" / part / name).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (12, 10), (9, 9 * i, 0)).save(folder / "pets" / part / name / f"{i}.png")
    return ["--data", folder / "pets"]


def without_training_pictures(folder):
    pictures(folder, "cat", "dog", part="train")
    return pictures(folder, "cat", "dog", "eel", part="test")


def hundred_megapixels(folder):
    given = pictures(folder, "cat", "dog")
    Image.new("1", (10_000, 10_000)).save(folder / "pets/cat/huge.png")
    return [*given, "--input-shape", "8x8"]


def no_sound(folder):
    pytest.importorskip("soundfile")
    for name in ("yes", "no"):
        (folder / "words" / name).mkdir(parents=True)
        for i in range(12):
            (folder / "words" / name / f"{i}.wav").write_bytes(wav(np.full(800 if i else 0, 0.1)))
    return ["--data", folder / "words"]


def arrays(folder, y, *more):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.savez(folder / "d.npz", x_train=x, y_train=y)
    return ["--data", folder / "d.npz", *more]


CASES = {
    "a column that is not there": (
        lambda f: [*table(f), "--label", "price"], "t.csv has no column 'price': its columns are a, b, y",
    ),
    "text where numbers belong": (
        lambda f: [*table(f, "1,2,yes\nfive,4,no\n3,4,no\n" * 9), "--label", "y"], "'a' is 'five' in line 3, and 18 of",
    ),
    "rows without an answer": (
        lambda f: [*table(f, "1,2,yes\n3,4,\n" * 9), "--label", "y"], "9 of 18 rows have no 'y', the first in line 3",
    ),
    "no sound": (no_sound, "0.wav has no sound (0 samples): remove it, or record it again; and 1 more"),
    "a class without training examples": (without_training_pictures, "no pictures of class 'eel' to train on"),
    "a hundred megapixels": (hundred_megapixels, "huge.png is 10000 x 10000 pixels: 50,000,000 in all are allowed"),
    "classes for a regression": (
        lambda f: [*table(f), "--label", "y", "--task", "regression"], "'y' is 'yes' in line 2: numbers are needed",
    ),
    "three classes for yes or no": (
        lambda f: arrays(f, np.arange(60) % 3, "--task", "binary"), "d has 3 classes, and the task is binary",
    ),
    "numbers for classes": (
        lambda f: arrays(f, np.linspace(0, 1, 60), "--task", "multiclass"), "1 numbers, and the task is multiclass",
    ),
    "one class alone": (lambda f: arrays(f, np.zeros(60, int)), "all examples are of one class"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_press_refuses_in_one_line(name, tmp_path):
    pytest.importorskip("tf_keras")
    given, message = CASES[name]
    before = sorted(tmp_path.rglob("*"))
    arguments = ["press", *map(str, given(tmp_path)), "--preset", "quick", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("edgepress: ")] == done.stderr.splitlines()[
        -1:
    ]
    assert not done.stdout
    assert not (tmp_path / "run").exists()
    assert not before


def test_predict_refuses_a_recording_without_sound(tmp_path):
    pytest.importorskip("soundfile")
    folder = make_kind(tmp_path / "audio", "audio")
    (tmp_path / "a.wav").write_bytes(wav(np.full(800, 0.1)))
    (tmp_path / "b.wav").write_bytes(wav([]))
    files = [str(tmp_path / name) for name in ("a.wav", "b.wav")]
    done = CliRunner().invoke(main, ["predict", str(folder), *files, "--variant", "float32"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "b.wav has no sound" in done.stderr
    assert not done.stdout


def test_recordings_of_another_rate_are_resampled_and_it_is_said_once(tmp_path, caplog):
    pytest.importorskip("soundfile")
    folder = make_kind(tmp_path / "audio", "audio")
    for name, rate in (("a", 8000), ("b", 16000), ("c", 16000)):
        (tmp_path / f"{name}.wav").write_bytes(wav(np.full(rate // 10, 0.1), rate=rate))
    files = [str(tmp_path / f"{name}.wav") for name in "abc"]
    done = CliRunner().invoke(main, ["predict", str(folder), *files, "--variant", "float32"])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    said = [*caplog.messages, *done.stderr.splitlines()]
    assert said.count("the model hears 8,000 Hz: 2 of 16,000 Hz are resampled") == 1
