"""Places that cannot be read or written: one line, exit status 2, nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from bundles import golden, write_bundle

from edgepress.base.errors import InputError
from edgepress.base.files import check_writable

GOLDEN = Path(__file__).parents[2] / "golden"


def run(*arguments, **options):
    command = [sys.executable, "-m", "edgepress", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **{"stdout": subprocess.PIPE} | options)


def one_line(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("edgepress: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def bundle(tmp_path):
    write_bundle(tmp_path / "bundle", golden("digits-int8.tflite", "digits-float32.tflite"))
    return tmp_path / "bundle"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_result_that_cannot_be_written_is_said():
    with open("/dev/full", "w") as full:
        done = run("inspect", GOLDEN / "digits-int8.tflite", "--json", stdout=full)
    assert "No space left" in one_line(done)


def test_a_manifest_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / "manifest.json").mkdir()
    assert "manifest.json" in one_line(run("inspect", tmp_path))


def test_a_signature_that_cannot_be_written_is_said(bundle, tmp_path):
    pytest.importorskip("cryptography")
    (bundle / "manifest.sig").mkdir()
    before = sorted(bundle.iterdir())
    assert "manifest.sig" in one_line(run("sign", bundle, "--key", tmp_path / "maker.pem", "--new-key"))
    assert sorted(bundle.iterdir()) == before


def test_export_knows_its_place_before_it_reads_anything(tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file/bundle"
    said = one_line(run("export", "nowhere.keras", "--data", "nowhere.npz", "--out", out))
    assert f"{tmp_path / 'file'} is a file, not a folder" in said
    assert "--out" in said
    assert os.listdir(tmp_path) == ["file"]


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    check_writable(tmp_path / "not" / "yet" / "there")
    check_writable(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file, not a folder: name another place with --out"):
        check_writable(tmp_path / "file" / "below")


@contextmanager
def small_disk(folder):
    """A file system of 200 KB."""
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root mounts a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_nothing_half_written_stays(bundle, tmp_path):
    pytest.importorskip("cryptography")
    with small_disk(tmp_path / "disk") as disk:
        shutil.copy(bundle / "manifest.json", disk)
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(bytes(1 << 20))
        before = sorted(disk.iterdir())
        said = one_line(run("sign", disk, "--key", tmp_path / "maker.pem", "--new-key"))
        assert "No space left" in said
        assert "free some space" in said
        assert sorted(disk.iterdir()) == before
        with pytest.raises(InputError, match="No space left"):
            check_writable(disk / "bundle")


def test_a_damaged_bundle_is_a_failed_check(bundle):
    """Its other files are described, and the one that is not the manifest's is named."""
    with open(bundle / "digits-int8.tflite", "ab") as file:
        file.write(b"\0")
    done = run("inspect", bundle, "--json")
    assert done.returncode == 1
    assert done.stderr == "edgepress: not the files that the manifest states: digits-int8.tflite\n"
    found = json.loads(done.stdout)
    assert found["changed"] == ["digits-int8.tflite"]
    assert [each["file"] for each in found["artifacts"]] == ["digits-float32.tflite"]
    (bundle / "digits-int8.tflite").unlink()
    assert run("inspect", bundle).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["export", "m.keras", "--calibration", "mine", "--samples", "s.npz", "--out", "{out}"],
            "leave one of the two",
        ),
        (["press", "--trials", "3", "--out", "{out}"], "--trials without a limit"),
    ],
)
def test_options_that_would_be_dropped_are_refused(arguments, expected, tmp_path):
    out = tmp_path / "out"
    assert expected in one_line(run(*(text.format(out=out) for text in arguments)))
    assert not list(tmp_path.iterdir())
