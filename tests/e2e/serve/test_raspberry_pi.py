"""The server on an emulated Raspberry Pi 4: real aarch64 wheels, asked over loopback."""

import io
import json
import subprocess

import numpy as np
import pytest
from emulation import RELEASES, emulator, needs_emulation
from PIL import Image
from serving import Server

from edgepress.runtime import load

pytestmark = needs_emulation


@pytest.mark.parametrize("release", RELEASES)
def test_the_server_answers_there_as_the_runtime_does_here(release, served_bundle, test_digits, tmp_path):
    images = test_digits[0][:64]
    file = io.BytesIO()
    Image.fromarray(np.kron(255 - images[0], np.ones((5, 5), np.uint8))).save(file, "PNG")
    command, environment = emulator("arm64", "serve", release)
    command += ["-m", "edgepress", "serve", str(served_bundle), "--port", "0", "--json"]
    with (
        open(tmp_path / "log", "wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as process,
    ):
        try:
            line = process.stdout.readline()
            assert line, (tmp_path / "log").read_text()[-2000:]
            server = Server(process, tmp_path / "log", int(json.loads(line)["url"].rstrip("/").rpartition(":")[2]))
            batch = server.predict(images)
            picture = server.request("POST", "/v1/predict", file.getvalue(), {"content-type": "image/png"})
            resident = server.rss_bytes()
            assert server.stop() == 0
        finally:
            process.kill()
    with load(served_bundle) as model:
        for answer, expected in ((batch, model.predict(images)), (picture, model.predict_files(file.getvalue()))):
            assert answer.json["labels"] == expected.labels.tolist()
            # One quantum of the int8 logits, which LiteRT's delegate may differ by, moves a probability by this much.
            assert np.abs(np.float32(answer.json["probabilities"]) - expected.probabilities).max() < 0.05
    # With the emulator's own memory, which is about half of it.
    assert resident < 250_000_000
