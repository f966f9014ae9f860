"""`edgepress predict --data` is killed, or one of its processes is: every row is there once, and in order."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
from bundles import golden, write_bundle
from PIL import Image

from edgepress.runtime import MissingExtraError, load
from edgepress.scoring import score

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the table extra")


_SLOW = """
import sys
import edgepress.scoring.bulk as bulk
bulk._PIECE_BYTES = 784 * 100
bulk.score(sys.argv[1], sys.argv[2], sys.argv[3], workers=int(sys.argv[4]), variant="float32")
"""


def start(bundle, data, out, workers):
    command = [sys.executable, "-c", _SLOW, str(bundle), str(data), str(out), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_pieces(process, out, count):
    folder = out.with_name(f"{out.name}.shards")
    until = time.monotonic() + 60
    while len(list(folder.glob("*.arrow"))) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.002)
    return folder


@pytest.fixture
def pictures(tmp_path):
    return write_bundle(tmp_path / "bundle", golden("digits-float32.tflite"))


@pytest.fixture
def images(many_digits, tmp_path):
    images = many_digits[:5_000]
    np.savez(tmp_path / "d.npz", x=images, y=np.arange(len(images)) % 10)
    return images


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_it_goes_on_and_loses_and_doubles_nothing(pictures, images, tmp_path, workers):
    out = tmp_path / "a.parquet"
    with start(pictures, tmp_path / "d.npz", out, workers) as process:
        folder = wait_for_pieces(process, out, 5)
        process.send_signal(signal.SIGKILL)
    assert not out.exists()
    assert 5 <= len(list(folder.glob("*.arrow"))) < 50
    with start(pictures, tmp_path / "d.npz", out, workers) as process:
        assert process.wait() == 0, process.stderr.read()
    found = parquet.read_table(out).to_pydict()
    with load(pictures, variant="float32") as model:
        wanted = model.predict(images)
    assert found["index"] == list(range(len(images)))
    assert found["label"] == wanted.labels.tolist()
    assert not folder.exists()


def test_a_process_that_dies_is_replaced(pictures, images, tmp_path):
    out = tmp_path / "a.parquet"
    with start(pictures, tmp_path / "d.npz", out, 2) as process:
        wait_for_pieces(process, out, 3)
        os.kill(_workers_of(process.pid)[0], signal.SIGKILL)
        assert process.wait() == 0, process.stderr.read()
    assert parquet.read_table(out)["index"].to_pylist() == list(range(len(images)))


def _workers_of(pid):
    children = []
    for place in os.listdir("/proc"):
        if place.isdigit():
            try:
                with open(f"/proc/{place}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{place}/cmdline") as line:
                    if parent == pid and "spawn_main" in line.read():
                        children.append(int(place))
            except OSError:
                continue
    return children


_ON_RAY = """
import sys
import edgepress.scoring.bulk as bulk
bulk._PIECE_BYTES = 784 * 100
bulk.score(sys.argv[1], sys.argv[2], sys.argv[3], workers=2, ray="local", variant="float32")
"""


def test_ray_writes_the_same_table_and_goes_on_after_a_kill(pictures, images, tmp_path):
    """Arrays travel to the processes of Ray, which read files themselves."""
    pytest.importorskip("ray", reason="needs the ray extra")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(images[:30]):
        Image.fromarray(image).save(folder / f"{number:02}.png")
    (folder / "07.png").write_bytes(b"no picture")
    for data in (tmp_path / "d.npz", folder):
        alone, out = tmp_path / "alone.parquet", tmp_path / "ray.parquet"
        command = [sys.executable, "-c", _ON_RAY, str(pictures), str(data), str(out)]
        if data.is_file():
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
                shards = wait_for_pieces(process, out, 3)
                process.send_signal(signal.SIGKILL)
            assert len(list(shards.glob("*.arrow"))) < 50
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        score(pictures, data, alone, variant="float32")
        assert parquet.read_table(out).equals(parquet.read_table(alone))
        for place in (alone, out):
            place.unlink()


def test_without_ray_it_is_said(pictures, images, tmp_path):
    if find_spec("ray") is not None:
        pytest.skip("Ray is installed")
    with pytest.raises(MissingExtraError, match=r"edgepress\[ray\]"):
        score(pictures, tmp_path / "d.npz", tmp_path / "a.parquet", ray="local", variant="float32")
