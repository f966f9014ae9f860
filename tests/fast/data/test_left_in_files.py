"""Whatever examples come as, many of them may stay in a file, and are the same examples."""

import gzip
import struct

import numpy as np
import pytest
import soundfile

from edgepress.data import as_dataset, gathered, rows
from edgepress.data.readers import class_pictures, class_recordings, idx, npz
from edgepress.data.rows import Rows
from edgepress.runtime import InputError
from edgepress.train import own_contract

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 3
WINDOWS = RNG.normal(size=(40, 12, 3))
PIXELS = RNG.integers(0, 256, (40, 9, 10, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def little_is_much(monkeypatch):
    for module in (gathered, class_pictures, class_recordings, idx, npz):
        monkeypatch.setattr(module, "MANY_BYTES", 500)


def recordings(tmp_path):
    for name in ("no", "yes"):
        (tmp_path / name).mkdir()
        for i in range(6):
            soundfile.write(tmp_path / name / f"{i}.wav", RNG.uniform(-0.9, 0.9, 800), 8000)
    return tmp_path


def idx_files(tmp_path, pack=False):
    for stem, values in (("train", PIXELS[:30, ..., 0]), ("t10k", PIXELS[30:, ..., 0])):
        labels = LABELS[: len(values)].astype(np.uint8)
        for kind, array in (("images-idx3", values), ("labels-idx1", labels)):
            content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
            name = f"{stem}-{kind}-ubyte"
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content)) if pack else (tmp_path / name).write_bytes(
                content
            )
    return tmp_path


def archive(tmp_path, x, save=np.savez):
    save(tmp_path / "data.npz", x=x, y=LABELS)
    return tmp_path / "data.npz"


class Batches:
    """As Keras' PyDataset gives them."""

    def __init__(self, x, size=7):
        self.x, self.size = x, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        rows = slice(i * self.size, (i + 1) * self.size)
        return self.x[rows], LABELS[rows]


Batches.__module__ = "keras.made_here"
Batches.__name__ = "PyDataset"

SOURCES = {
    "recordings": recordings,
    "IDX": idx_files,
    "IDX, packed": lambda folder: idx_files(folder, pack=True),
    "pixels": lambda folder: archive(folder, PIXELS),
    "pixels / 255, packed": lambda folder: archive(folder, (PIXELS / 255).astype(np.float32), np.savez_compressed),
    "pixels / 127.5 - 1": lambda folder: archive(folder, PIXELS / 127.5 - 1),
    "pixels with transparency": lambda folder: archive(folder, np.concatenate([PIXELS, PIXELS[..., :1]], axis=-1)),
    "grey floats with an axis": lambda folder: archive(folder, PIXELS[..., :1].astype(np.float32)),
    "black and white": lambda folder: archive(folder, PIXELS[..., 0] > 99),
    "windows of float64": lambda folder: archive(folder, WINDOWS),
    "rows of int16": lambda folder: archive(folder, (WINDOWS * 100).astype(np.int16).reshape(40, -1)),
    "a list of examples": lambda _: [(x, int(y)) for x, y in zip(WINDOWS, LABELS, strict=True)],
    "batches": lambda _: Batches(PIXELS.astype(np.float32)),
    "batches of several inputs": lambda _: [
        ({"a": x, "b": x[0] * 2}, int(y)) for x, y in zip(WINDOWS, LABELS, strict=True)
    ],
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_examples(source, tmp_path):
    data = SOURCES[source](tmp_path)
    stays, read = (as_dataset(data, in_pieces=way) for way in (True, False))
    assert all(isinstance(values, Rows) for values in stays.train.inputs.values())
    assert all(isinstance(values, np.ndarray) for values in read.train.inputs.values())
    assert stays.inputs == read.inputs
    assert stays.targets == read.targets
    for part in ("train", "test"):
        for name, values in read.parts[part].inputs.items():
            np.testing.assert_array_equal(np.asarray(stays.parts[part].inputs[name]), values)
    assert stays.sha256 == read.sha256


def test_what_does_not_fit_what_came_before_is_refused():
    examples = [(x, 0) for x in WINDOWS] + [(WINDOWS[0, :5], 1)]
    with pytest.raises(InputError, match="the examples do not agree"):
        as_dataset(examples, in_pieces=True)
    with pytest.raises(InputError, match="the examples do not agree"):
        as_dataset([(x.astype(np.float32), 0) for x in WINDOWS] + [(WINDOWS[0], 1)], in_pieces=True)


@pytest.mark.parametrize(("change", "said"), [(b"", "ends in example"), (b"xy", "holds more")])
def test_idx_files_of_another_size_are_refused(tmp_path, change, said):
    file = idx_files(tmp_path) / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes() + change if change else file.read_bytes()[:-5])
    with pytest.raises(InputError, match=said):
        as_dataset(tmp_path, in_pieces=True)


def test_a_gap_in_many_is_seen(tmp_path):
    broken = WINDOWS.copy()
    broken[33, 4, 1] = np.nan
    with pytest.raises(InputError, match="hold NaN or infinity"):
        as_dataset(archive(tmp_path, broken), in_pieces=True)


@pytest.mark.parametrize("source", ["windows of float64", "rows of int16"])
def test_they_are_centred_and_scaled_alike(source, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "PIECE_BYTES", 1000)
    data = SOURCES[source](tmp_path)
    read = [as_dataset(data, in_pieces=way) for way in (True, False)]
    assert own_contract(read[0], read[0].train) == own_contract(read[1], read[1].train)
    (only,) = own_contract(read[0], read[0].train).inputs.values()
    whole = read[1].train.x.reshape(-1, read[1].train.x.shape[-1]).astype(np.float64)
    np.testing.assert_allclose(only.mean, whole.mean(axis=0))
    np.testing.assert_allclose(only.std, whole.std(axis=0))
