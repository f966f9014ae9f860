"""The installed command: help, exit statuses, one line per error."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgepress import __version__
from edgepress.cli import _COMMANDS, main


def run(*arguments):
    return subprocess.run([Path(sys.executable).parent / "edgepress", *arguments], capture_output=True, text=True)


def test_the_installed_script_has_the_version_and_lists_every_command():
    assert __version__ in run("--version").stdout
    shown = run("--help").stdout
    assert all(f"  {name} " in shown for name in _COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself_and_offers_json(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.output


def test_wrong_usage_exits_with_2():
    assert run("no-such-command").returncode == 2
    assert run("press", "--preset", "huge").returncode == 2


def test_bad_input_is_one_line_and_exit_status_2(tmp_path):
    done = run("press", "--data", str(tmp_path / "none.npz"), "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("edgepress: no data set at")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
