"""Every kind of source, and what each refuses."""

import gzip
import io
import logging
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgepress.data import READERS, as_dataset, data_help, dataset_of_arrays, load_dataset
from edgepress.data.readers import mnist
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
        ({"x_train": np.full((20, 8, 8), np.nan)}, "NaN or infinity"),
        ({"x_train": np.zeros((20, 9, 9), np.uint8)}, "bring all to one shape"),
        ({"y_train": np.zeros(19, np.int64)}, "as many of each"),
        ({"y_train": np.full(20, -1)}, "labels run from -1"),
        ({"y_train": np.full(20, np.nan)}, "NaN or infinity"),
        ({"y_train": np.array([object()] * 20)}, "no plain array"),
        ({"class_names": np.array(["a", "b"])}, "2 names for 3"),
        ({"y_train": None}, "lacks y_train"),
        ({"x_train": None}, "no examples"),
        ({"x_train": None, "y_train": None}, "nothing to train on"),
    ],
)
def test_npz_refuses_arrays_that_do_not_fit(tmp_path, change, message):
    given = {key: value for key, value in (arrays() | change).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **given)
    with pytest.raises(InputError, match=message) as refused:
        load_dataset(tmp_path / "bad.npz")
    assert "\n" not in str(refused.value)


def test_npz_refuses_cut_files(archive, tmp_path):
    (tmp_path / "cut.npz").write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a whole"):
        load_dataset(tmp_path / "cut.npz")


def test_a_lone_array_is_pointed_to_npz(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"numpy\.savez"):
        load_dataset(tmp_path / "x.npy")


def test_signals_bring_their_rate_and_channels(tmp_path):
    windows = np.random.default_rng(0).normal(size=(20, 50, 2)).astype(np.float32)
    about = {"rate": 10.0, "channels": np.array(["ax", "ay"]), "units": np.array(["g", "g"])}
    np.savez(tmp_path / "s.npz", x_train=windows, y_train=np.arange(20) % 2, class_names=np.array(["a", "b"]), **about)
    data = load_dataset(tmp_path / "s.npz")
    signal = data.inputs[""]
    assert (signal.rate, signal.channels, signal.units) == (10.0, ("ax", "ay"), ("g", "g"))
    assert data.labels == ("a", "b")
    np.savez(tmp_path / "s.npz", x_train=windows, y_train=np.arange(20) % 2, channels=np.array(["ax"]))
    with pytest.raises(InputError, match="names 1 channels for windows of 2"):
        load_dataset(tmp_path / "s.npz")


def test_arrays_by_input_name(tmp_path):
    rng = np.random.default_rng(0)
    inputs = {"weather": rng.normal(size=(30, 3)), "camera": rng.integers(0, 256, (30, 8, 8, 3), np.uint8)}
    np.savez(tmp_path / "two.npz", **inputs, targets=rng.normal(size=30))
    data = load_dataset(tmp_path / "two.npz")
    assert set(data.inputs) == {"weather", "camera"}
    assert data.targets.kind == "numbers"
    np.savez(tmp_path / "two.npz", **inputs)
    assert load_dataset(tmp_path / "two.npz").targets.kind == "nothing"


def test_whole_numbers_are_what_the_task_says(tmp_path):
    given = arrays(shape=(4,))
    np.savez(tmp_path / "n.npz", **given)
    assert load_dataset(tmp_path / "n.npz").targets.kind == "classes"
    assert load_dataset(tmp_path / "n.npz", task="regression").targets.kind == "numbers"


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


@pytest.mark.parametrize("option", [{"label": "y"}, {"seconds": 1.0}])
def test_an_option_that_is_for_other_data_is_refused(archive, option):
    with pytest.raises(InputError, match=f"has no --{next(iter(option))}: it is for"):
        load_dataset(archive, **option)


def test_nothing_there():
    with pytest.raises(InputError, match="no data set at") as refused:
        load_dataset("/no/such/thing")
    assert all(reader.form in str(refused.value) for reader in READERS)
    assert data_help() in str(refused.value)


def test_the_docs_name_every_form():
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    assert [reader.form for reader in READERS if reader.form not in page] == []


def test_an_unknown_file_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(InputError, match="which is none"):
        load_dataset(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "has no function 'load': it has none"),
        ("def other(): pass", "it has other"),
        ("def load(): return 7", "int: data are"),
    ],
)
def test_a_function_that_gives_no_data(tmp_path, body, message):
    (tmp_path / "mine.py").write_text(body)
    with pytest.raises(InputError, match=message):
        load_dataset(f"{tmp_path}/mine.py:load")


def test_a_function_of_the_users_own(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def load():\n"
        "    x = np.random.default_rng(0).normal(size=(30, 4))\n"
        "    return {'train': (x[:20], x[:20, 0]), 'val': (x[20:25], x[20:25, 0]), 'test': (x[25:], x[25:, 0])}\n"
    )
    data = load_dataset(f"{tmp_path}/mine.py:load")
    assert (data.name, data.targets.kind) == ("mine", "numbers")
    assert {part: len(held) for part, held in data.parts.items()} == {"train": 20, "validation": 5, "test": 5}
    with pytest.raises(InputError, match="does not exist"):
        load_dataset(f"{tmp_path}/none.py:load")


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
    monkeypatch.setattr(mnist, "_KERAS_URL", "http://127.0.0.1:9/mnist.npz")
    with caplog.at_level(logging.WARNING, "edgepress"):
        data = load_dataset("mnist")
    assert data.name == "mnist-5k"
    assert len(caplog.records) == 1
    assert "mnist-5k" in caplog.text
    assert (len(data.x_train), len(data.x_test)) == (4000, 1000)
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert data.picture.fit == "mnist"
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_download_with_a_wrong_digest_is_not_kept(tmp_path, monkeypatch):
    served = tmp_path / "evil.npz"
    served.write_bytes(b"not MNIST")
    monkeypatch.setattr(mnist, "_KERAS_URL", served.as_uri())
    with pytest.raises(OSError, match="another digest"):
        mnist._download(tmp_path / "kept.npz")
    assert not (tmp_path / "kept.npz").exists()


def test_split_is_reproducible_and_disjoint():
    given = arrays(n_train=120)
    data = dataset_of_arrays("d", (given["x_train"], given["y_train"]))
    assert len(data.train) == 96
    one, same, other = data.split(0), data.split(0), data.split(1)
    np.testing.assert_array_equal(one.validation, same.validation)
    assert one.validation.tolist() != other.validation.tolist()
    assert len(one.validation) == 96 // 5
    assert sorted([*one.fit, *one.validation]) == list(range(96))


def test_images_that_are_not_centred_are_scaled_as_a_whole():
    given = arrays(shape=(28, 28))
    data = as_dataset((given["x_train"], given["y_train"]))
    assert data.picture.fit == "stretch"
