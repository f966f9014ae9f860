"""A place is known to be writable before the work begins."""

import os
from pathlib import Path

import pytest

from edgepress.base.files import check_writable
from edgepress.runtime import InputError


@pytest.mark.parametrize("name", ["new.json", "file", "folder", "folder/new/deeper/x.json"])
def test_what_can_be_written_passes_and_is_not_touched(tmp_path, name):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    check_writable(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "old"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(InputError, match=r"report\.html: .*file is a file, not a folder: name another place"):
        check_writable(tmp_path / "file/report.html")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that takes no files from anyone")
def test_where_the_system_says_no(tmp_path):
    with pytest.raises(InputError, match="cannot be written") as caught:
        check_writable(Path("/proc/none/report.json"))
    assert "\n" not in str(caught.value)
