"""`/v1/stream`: what a served bundle hears is what `Model.stream` hears, while the samples are still being sent."""

import http.client
import json
import time

import numpy as np
import pytest
from serving import start_server
from streams import RATE, shake_bundle, tones_at, tones_bundle

from edgepress.runtime import Task, load

RAW = {"content-type": "application/octet-stream"}
TIMES = [(0.4, "low"), (1.3, "high"), (2.5, "middle")]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    shaken = Task("multiclass", "logits", ("still", "shaken"))
    return {"tones": tones_bundle(folder / "tones"), "shake": shake_bundle(folder / "shake", shaken)}


@pytest.fixture(scope="module")
def server(bundles, tmp_path_factory):
    limits = {"streams": 2, "body_s": 1.0}
    server = start_server(bundles["tones"], tmp_path_factory.mktemp("server"), limits=limits)
    yield server
    assert server.stop() == 0
    assert not [line for line in server.log() if "traceback" in line]


def parsed(body):
    """Server-sent events as (name, data)."""
    found = [dict(line.split(": ", 1) for line in each.split("\n")) for each in body.decode().strip().split("\n\n")]
    return [(each["event"], json.loads(each["data"])) for each in found]


def opened(server, path="/v1/stream"):
    """A connection on which the samples can be sent bit by bit."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", path)
    connection.putheader("content-type", "application/octet-stream")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    return connection


def send(connection, data):
    connection.send(b"%x\r\n%b\r\n" % (len(data), data))


def test_a_body_at_once_gives_what_python_hears(server, bundles):
    sound = tones_at(TIMES, 3)
    with load(bundles["tones"], "float32") as model:
        expected = [event.to_dict() for event in model.stream().listen([sound])]
    assert [event["label"] for event in expected] == [name for _, name in TIMES]
    answer = server.request("POST", "/v1/stream", sound.astype("<f4").tobytes(), RAW)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert parsed(answer.body) == [*(("heard", event) for event in expected), ("end", {"seconds": 3.0})]
    whole = (sound * 32768).astype("<i2").tobytes()
    again = parsed(server.request("POST", "/v1/stream?type=int16&ignore=low,high", whole, RAW).body)
    assert [data.get("label") for _, data in again] == ["middle", None]


def test_a_stated_gain_makes_quiet_sound_heard(server):
    sound = tones_at(TIMES, 3) / 1000
    heard = {}
    for gain in (0, 60):
        answer = server.request("POST", f"/v1/stream?gain_db={gain}", sound.astype("<f4").tobytes(), RAW)
        heard[gain] = parsed(answer.body)
    assert heard[0] == [("end", {"seconds": 3.0})]
    assert [data.get("label") for _, data in heard[60]] == ["low", "high", "middle", None]
    loud = parsed(server.request("POST", "/v1/stream?gain_db=20", (sound * 1000).astype("<f4").tobytes(), RAW).body)
    assert loud[-1][1]["cut_off"] > 1000


def test_events_come_while_samples_are_sent(server):
    sound = tones_at(TIMES, 3).astype("<f4").tobytes()
    connection = opened(server)
    half = 4 * RATE
    for start in range(0, half, 999):
        send(connection, sound[start : min(start + 999, half)])
    # What is read before the rest was sent can only be about the first second.
    response = connection.getresponse()
    lines = [response.readline() for _ in range(3)]
    assert json.loads(lines[1].partition(b": ")[2])["label"] == "low"
    send(connection, sound[half:])
    connection.send(b"0\r\n\r\n")
    assert [name for name, _ in parsed(response.read())] == ["heard", "heard", "end"]
    connection.close()


def test_of_another_rate_and_of_a_signal(bundles, server, run_server):
    pytest.importorskip("soxr", reason="needs the audio extra")
    sound = tones_at(TIMES, 3, rate=16_000).astype("<f4").tobytes()
    heard = parsed(server.request("POST", "/v1/stream?rate=16000", sound, RAW).body)
    assert [data.get("label") for _, data in heard] == ["low", "high", "middle", None]
    both = run_server(f"shake={bundles['shake']}", arguments=[f"tones={bundles['tones']}"])
    samples = np.zeros((200, 2), "<f4")
    samples[:, 0], samples[100:] = 3, (0, 3)
    seen = parsed(both.request("POST", "/shake/v1/stream", samples.tobytes(), RAW).body)
    assert [data.get("label") for _, data in seen] == ["still", "shaken", None]
    assert "/v1/stream" in both.request("GET", "/shake/openapi.json").json["paths"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/v1/stream", {"content-type": "audio/wav"}, 415, "application/octet-stream"),
        ("/v1/stream?type=float64", RAW, 422, "float32"),
        ("/v1/stream?rate=fast", RAW, 422, "a number"),
        ("/v1/stream?rate=-1", RAW, 422, "above 0"),
        ("/v1/stream?hop=9", RAW, 422, "window"),
        ("/v1/stream?gain_db=61", RAW, 422, "-60 to 60"),
        ("/v1/stream?ignore=silence", RAW, 422, "low, middle, high"),
        ("/v1/stream?artifact=none.onnx", RAW, 404, "none.onnx"),
    ],
)
def test_what_cannot_be_listened_to_is_refused(server, path, headers, status, words):
    answer = server.request("POST", path, b"\0" * 4000, headers)
    assert (answer.status, words in answer.json["error"]) == (status, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (np.full(9, np.nan, "<f4").tobytes(), "nan"),
        (np.full(9, 7, "<f4").tobytes(), "reaches 7"),
        (b"12345", "no sample"),
    ],
)
def test_samples_that_are_no_sound_end_the_stream_with_an_error(server, body, words):
    ((name, data),) = parsed(server.request("POST", "/v1/stream", body, RAW).body)
    assert (name, words in data["error"]) == ("error", True)


def test_streams_are_bounded_in_number_and_in_idle_time(server):
    streams = [opened(server) for _ in range(2)]
    for each in streams:
        send(each, b"\0" * 400)
    responses = [each.getresponse() for each in streams]
    refused = server.request("POST", "/v1/stream", b"\0" * 400, RAW)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    for response in responses:
        ((name, data),) = parsed(response.read())
        assert (name, "no samples came for 1 s" in data["error"]) == ("error", True)
    for each in streams:
        each.close()
    deadline = time.monotonic() + 10
    while server.request("POST", "/v1/stream", b"\0" * 400, RAW).status != 200:
        assert time.monotonic() < deadline


def test_a_client_that_goes_away_leaves_its_place(server):
    for _ in range(3):
        connection = opened(server)
        send(connection, b"\0" * 400)
        connection.getresponse()
        connection.close()
        time.sleep(0.05)
    assert server.request("POST", "/v1/stream", b"\0" * 400, RAW).status == 200


def test_a_stop_ends_streams(bundles, tmp_path):
    server = start_server(bundles["tones"], tmp_path)
    connection = opened(server)
    send(connection, tones_at([(0.1, "low")], 0.5).astype("<f4").tobytes())
    with connection.getresponse() as response:
        # Its client is silent, and does not hold the server up.
        server.process.terminate()
        assert [name for name, _ in parsed(response.read())] == ["heard", "end"]
    connection.close()
    assert server.stop() == 0
