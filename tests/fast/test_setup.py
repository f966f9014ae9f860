"""scripts/setup finds a Python that works, and says in one line where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts/setup"
VERSION = "{}.{}".format(*sys.version_info[:2])


def setup(*arguments, **environment):
    """Run it without pyenv; the environments that are there do not count."""
    environment = os.environ | {"PYENV_ROOT": "/nowhere", "EDGEPRESS_VENV": ""} | environment
    return subprocess.run(["bash", SETUP, *arguments], env=environment, capture_output=True, text=True, check=False)


def executable(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)


def test_a_python_that_refuses_is_passed_over(tmp_path):
    name = f"python{VERSION}"
    executable(tmp_path / "shims" / name, "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    executable(tmp_path / "real" / name, f'#!/bin/sh\nexec {os.path.realpath(sys.executable)} "$@"\n')
    done = setup("which", VERSION, PATH=f"{tmp_path}/shims:{tmp_path}/real:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/real/{name}\n")


@pytest.mark.parametrize("program", ["/nowhere/python3", "/bin/false"])
def test_a_python_that_is_named_and_does_not_work_is_refused_in_one_line(program):
    done = setup("press", PYTHON=program)
    assert done.returncode == 1
    assert done.stderr.startswith(f"setup: PYTHON={program} is no Python 3.11 to 3.13")
    assert len(done.stderr.splitlines()) == 1


def test_a_part_that_there_is_not_is_refused_in_one_line():
    done = setup("everything", PYTHON=sys.executable)
    assert done.returncode == 2
    assert done.stderr == "setup: 'everything' is not press, check or test\n"
