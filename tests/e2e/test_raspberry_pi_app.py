"""The program for a Raspberry Pi in the documentation, with a recording for a microphone and a command for a camera."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kinds import make_kind, wav
from streams import tones_at, tones_bundle

from edgepress.runtime import load

FOLDER = Path(__file__).parents[2] / "docs/raspberry-pi"


def run(*arguments):
    command = [sys.executable, FOLDER / "app.py", *map(str, arguments), "--variant", "float32"]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_hears_and_acts(tmp_path):
    pytest.importorskip("soundfile", reason="needs the audio extra")
    bundle = tones_bundle(tmp_path / "bundle")
    recording = tmp_path / "a.wav"
    recording.write_bytes(wav(tones_at([(0.4, "low"), (1.3, "high")], 2)))
    done = run(
        bundle, recording, "--act", f"high=touch {tmp_path / 'high'}", "--act", f"middle=touch {tmp_path / 'no'}"
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["low", "high"]
    assert (tmp_path / "high").exists()
    assert not (tmp_path / "no").exists()
    for arguments, words in (
        ((recording, "--act", "loud=true"), "low, middle, high"),
        (("none.wav",), "does not exist"),
    ):
        refused = run(bundle, *arguments)
        assert (refused.returncode, words in refused.stderr) == (2, True)


def test_it_sees(tmp_path):
    from PIL import Image

    bundle = make_kind(tmp_path / "bundle", "picture")
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a view.png")
    done = run(bundle, "--camera", f"cp '{tmp_path / 'a view.png'}' {{file}}", "--every", "0.1", "--count", "2")
    assert done.returncode == 0, done.stderr
    with load(bundle, "float32") as model:
        expected = model.predict_files(tmp_path / "a view.png").labels[0]
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == [expected] * 2


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_is_one(tmp_path):
    unit = (FOLDER / "edgepress-app.service").read_text().replace("/opt/edgepress/bin/python", sys.executable)
    (tmp_path / "edgepress-app.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "edgepress-app.service"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
