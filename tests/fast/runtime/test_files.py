"""Files and folders appear whole or not at all."""

import signal
import subprocess
import sys

import pytest

from edgepress.base.files import file_sha256, new_folder, write_file
from edgepress.runtime import InputError


def test_write_file_replaces_whole_content(tmp_path):
    target = tmp_path / "new" / "a.txt"
    write_file(target, "one")
    write_file(target, b"two")
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]
    assert file_sha256(target) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


def test_a_failed_block_leaves_nothing(tmp_path):
    def fail():
        with new_folder(tmp_path / "out") as work:
            (work / "half").write_text("x")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("kept")
    with pytest.raises(InputError, match="--overwrite"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out/old").read_text() == "kept"


def test_overwrite_swaps_the_folders(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("gone")
    with new_folder(tmp_path / "out", overwrite=True) as work:
        (work / "new").write_text("here")
        assert (tmp_path / "out/old").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError), new_folder(tmp_path / "out", overwrite=True):
        pass
    assert (tmp_path / "out").read_text() == "a file"


WRITER = """
import sys, time
from pathlib import Path
from edgepress.base.files import new_folder

with new_folder(Path(sys.argv[1])) as work:
    (work / "half").write_text("x")
    print("writing", flush=True)
    time.sleep(20)
"""


def test_what_a_killed_writer_left_is_removed_and_a_living_one_keeps_its_folder(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", WRITER, str(out)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as killed,
        subprocess.Popen(command, stdout=subprocess.PIPE) as living,
    ):
        assert killed.stdout.readline()
        assert living.stdout.readline()
        assert len(list(tmp_path.glob(".out.*"))) == 2
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        with new_folder(out) as work:
            (left,) = set(tmp_path.glob(".out.*")) - {work}
            assert (left / "half").exists()
        living.send_signal(signal.SIGKILL)
    with new_folder(out, overwrite=True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
