"""Programs that were not written here understand the server: an Open Inference Protocol client, an OpenAPI tester."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kinds import KINDS, make_kind
from serving import start_server

from edgepress.benchmarks.studies.server.protocol import differences
from edgepress.runtime import load

CLIENT = Path(os.environ.get("EDGEPRESS_INFERENCE_CLIENT_PYTHON", ""))
SUPPORT = Path(__file__).parents[2] / "support"


needs_client = pytest.mark.skipif(
    not CLIENT.is_file(),
    reason="EDGEPRESS_INFERENCE_CLIENT_PYTHON names no Python with tritonclient: see scripts/setup",
)


@needs_client
def test_tritonclient_gets_right_answers(server, served_bundle, test_digits, tmp_path):
    images = test_digits[0][:50]
    np.save(tmp_path / "images.npy", images)
    command = [CLIENT, SUPPORT / "triton_client.py", f"127.0.0.1:{server.port}", tmp_path / "images.npy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    with load(served_bundle) as model:
        expected, raw = model.predict(images), model.raw_outputs(images)
    assert answer["server"]["name"] == "edgepress"
    assert len(answer["answers"]) == 2
    for given in answer["answers"]:
        assert given["labels"] == expected.labels.tolist()
        assert np.array_equal(np.array(given["probabilities"], np.float32), expected.probabilities)
    assert answer["raw"] == raw.tolist()


@needs_client
def test_tritonclient_asks_a_bundle_of_each_kind_by_what_the_server_says_of_it(tmp_path):
    folders = {kind: make_kind(tmp_path / kind, kind) for kind in KINDS}
    first, *others = map(str, folders.values())
    server = start_server(first, tmp_path / "server", arguments=others)
    try:
        command = [CLIENT, SUPPORT / "triton_kinds.py", f"127.0.0.1:{server.port}", tmp_path / "answers.npz", *KINDS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    finally:
        assert server.stop() == 0
    answers = np.load(tmp_path / "answers.npz")
    for kind, folder in folders.items():
        given = of(answers, f"{kind}/input/")
        with load(folder, "float32") as model:
            expected = model.predict(given if len(given) > 1 else next(iter(given.values())))
        for form in ("binary", "json"):
            outputs = {name: array.ravel().tolist() for name, array in of(answers, f"{kind}/{form}/").items()}
            assert outputs
            assert differences(outputs, expected, KINDS[kind][1].labels) == []


def of(arrays, start):
    """The arrays whose names begin so, by the rest of their names."""
    return {name.removeprefix(start): arrays[name] for name in arrays.files if name.startswith(start)}


def test_schemathesis_finds_no_answer_that_the_description_does_not_allow(server):
    """Generated requests, good and bad: no 5xx, no undocumented status, every answer as its schema says."""
    pytest.importorskip("schemathesis")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}openapi.json"]
    options = ["--max-examples", "30", "--seed", "7", "--phases", "examples,coverage,fuzzing", "--no-color"]
    checks = [
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]
    done = subprocess.run([*command, *options, *checks], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
