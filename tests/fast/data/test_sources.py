"""Every kind of source, and what each refuses."""

import gzip
import io
import logging
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from edgepress.data import Dataset, load_dataset, sources
from edgepress.runtime import InputError


def arrays(n_train=20, n_test=10, shape=(8, 8), classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "x_train": rng.integers(0, 256, (n_train, *shape), np.uint8),
        "y_train": np.arange(n_train) % classes,
        "x_test": rng.integers(0, 256, (n_test, *shape), np.uint8),
        "y_test": np.arange(n_test) % classes,
    }


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "tiny.npz"
    np.savez(path, **arrays())
    return path


def test_npz_gives_its_arrays_and_name(archive):
    data = load_dataset(archive)
    assert (data.name, data.labels) == ("tiny", ("0", "1", "2"))
    np.testing.assert_array_equal(data.x_test, arrays()["x_test"])
    assert data.y_train.dtype == np.int64


def test_the_grey_axis_is_dropped(tmp_path):
    np.savez(tmp_path / "g.npz", **arrays(shape=(8, 8, 1)))
    assert load_dataset(tmp_path / "g.npz").x_train.shape == (20, 8, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": np.zeros((20, 8, 8), np.float32)}, "uint8"),
        ({"x_train": np.full((20, 8, 8), np.nan)}, "uint8"),
        ({"x_train": np.zeros((20, 8), np.uint8)}, "height, width"),
        ({"y_train": np.zeros(19, np.int64)}, "one label an image"),
        ({"y_train": np.full(20, -1)}, "labels run from -1"),
        ({"y_train": np.full(20, 0.5)}, "class indices"),
        ({"x_test": np.zeros((10, 9, 8), np.uint8)}, "one size"),
        ({"y_train": np.array([object()] * 20)}, "no plain array"),
    ],
)
def test_npz_refuses_arrays_that_do_not_fit(tmp_path, change, message):
    np.savez(tmp_path / "bad.npz", **(arrays() | change))
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "bad.npz")


def test_npz_refuses_missing_members_and_cut_files(tmp_path, archive):
    np.savez(tmp_path / "few.npz", x_train=arrays()["x_train"])
    with pytest.raises(InputError, match="exactly one of each"):
        load_dataset(tmp_path / "few.npz")
    (tmp_path / "cut.npz").write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a whole"):
        load_dataset(tmp_path / "cut.npz")


def test_npz_refuses_a_bomb_before_it_unpacks(tmp_path, monkeypatch, archive):
    monkeypatch.setattr("edgepress.data.readers.npz._MAX_BYTES", 1000)
    with pytest.raises(InputError, match="at most 1,000 are read"):
        load_dataset(archive)


def test_npz_refuses_a_member_whose_header_lies(tmp_path):
    # A header that promises more than the member holds must fail by the data, not allocate by the promise.
    with zipfile.ZipFile(tmp_path / "liar.npz", "w") as out:
        for name, array in arrays().items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            data = buffer.getvalue()
            if name == "x_train":
                data = data.replace(b"(20, 8, 8)", b"(99, 8, 8)")
            out.writestr(f"{name}.npy", data)
    with pytest.raises(InputError, match="no plain array"):
        load_dataset(tmp_path / "liar.npz")


def write_idx(path, array, compress):
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    data = header + array.astype(np.uint8).tobytes()
    if compress:
        path = path.with_name(path.name + ".gz")
        data = gzip.compress(data)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_idx_folder(tmp_path, compress):
    source = arrays()
    for key, name in zip(source, ("train-images", "train-labels", "t10k-images", "t10k-labels"), strict=True):
        rank = source[key].ndim
        last = write_idx(tmp_path / f"{name}-idx{rank}-ubyte", source[key], compress)
    data = load_dataset(tmp_path)
    np.testing.assert_array_equal(data.x_train, source["x_train"])
    np.testing.assert_array_equal(data.y_test, source["y_test"])
    last.write_bytes(last.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"download it again"):
        load_dataset(tmp_path)
    last.unlink()
    with pytest.raises(InputError, match="lacks t10k-labels"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(("mode", "shape"), [("L", (6, 5)), ("RGB", (6, 5, 3))])
def test_class_folders(tmp_path, mode, shape):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, shape, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    data = load_dataset(tmp_path / "pets")
    assert (data.name, data.labels) == ("pets", ("cat", "dog"))
    assert data.x_train.shape == (16, *shape)
    assert data.x_test.shape == (4, *shape)
    assert data.y_test.tolist() == [0, 0, 1, 1]
    Image.new(mode, (7, 7)).save(tmp_path / "pets/dog/odd.png")
    with pytest.raises(InputError, match="bring all images to one size"):
        load_dataset(tmp_path / "pets")


def test_class_folders_refuse_a_cut_image(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20), np.uint8)).save(tmp_path / name / "1.png")
    cut = tmp_path / "a/1.png"
    cut.write_bytes(cut.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as PNG or JPEG"):
        load_dataset(tmp_path)


def test_nothing_there():
    with pytest.raises(InputError, match="no data set at"):
        load_dataset("/no/such/thing")


def test_mnist_prefers_the_data_folder(tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist.npz", **arrays(classes=10))
    monkeypatch.setenv("EDGEPRESS_DATA_DIR", str(tmp_path))
    assert load_dataset("mnist").name == "mnist"


def test_mnist_then_looks_in_the_keras_cache(tmp_path, monkeypatch):
    (tmp_path / "datasets").mkdir()
    np.savez(tmp_path / "datasets/mnist.npz", **arrays(classes=10))
    monkeypatch.delenv("EDGEPRESS_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert load_dataset("mnist").name == "mnist"


def test_without_network_mnist_is_mnist_5k_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("EDGEPRESS_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(sources, "_KERAS_URL", "http://127.0.0.1:9/mnist.npz")
    with caplog.at_level(logging.WARNING, "edgepress"):
        data = load_dataset("mnist")
    assert data.name == "mnist-5k"
    assert len(caplog.records) == 1
    assert "mnist-5k" in caplog.text
    assert (len(data.x_train), len(data.x_test)) == (4000, 1000)
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert data.preprocessing.fit == "mnist"
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_download_with_a_wrong_digest_is_not_kept(tmp_path, monkeypatch):
    served = tmp_path / "evil.npz"
    served.write_bytes(b"not MNIST")
    monkeypatch.setattr(sources, "_KERAS_URL", served.as_uri())
    with pytest.raises(OSError, match="another digest"):
        sources._download(tmp_path / "kept.npz")
    assert not (tmp_path / "kept.npz").exists()


def test_split_is_reproducible_and_disjoint():
    data = Dataset("d", **arrays(n_train=120), labels=("a", "b", "c"))
    one, same, other = data.split(0), data.split(0), data.split(1)
    np.testing.assert_array_equal(one.validation, same.validation)
    assert one.validation.tolist() != other.validation.tolist()
    assert len(one.validation) == 10
    assert sorted([*one.fit, *one.validation]) == list(range(120))


def test_images_that_are_not_centred_are_scaled_as_a_whole():
    data = Dataset("d", **arrays(shape=(28, 28)), labels=("a", "b", "c"))
    assert data.preprocessing.fit == "resize"
