"""`edgepress serve` as its clients see it: a real server on a loopback port."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image
from serving import make_bundle

from edgepress.runtime import load

RAW = "application/octet-stream"


def png(pixels, format="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def form(*files):
    parts = [
        b'--edge\r\ncontent-disposition: form-data; name="pictures"; filename="x"\r\n\r\n' + file + b"\r\n"
        for file in files
    ]
    return b"".join((*parts, b"--edge--\r\n")), "multipart/form-data; boundary=edge"


def test_every_kind_of_body_gives_what_the_model_gives(server, served_bundle, test_digits):
    images = test_digits[0][:6]
    with load(served_bundle) as model:
        expected = model.predict(images)
    bodies = [
        (json.dumps({"images": images.tolist()}), "application/json"),
        (json.dumps({"images": images.reshape(6, 784).tolist()}), "application/json"),
        (images.tobytes(), RAW),
        form(*map(png, images)),
    ]
    for body, kind in bodies:
        answer = server.request("POST", "/v1/predict", body, {"content-type": kind})
        assert answer.status == 200, answer.body
        assert answer.json["artifact"] == "digits-int8.tflite"
        assert answer.json["labels"] == expected.labels.tolist()
        assert np.array_equal(np.array(answer.json["probabilities"], np.float32), expected.probabilities)
    picture = server.request("POST", "/v1/predict", png(images[0]), {"content-type": "image/png"})
    assert picture.json["labels"] == expected.labels[:1].tolist()


def test_a_photograph_is_located_scaled_and_inverted_by_the_contract(server, served_bundle, test_digits):
    page = np.full((400, 300), 250, np.uint8)
    page[40:236, 60:256] = 255 - np.kron(test_digits[0][0], np.ones((7, 7), np.uint8))
    with load(served_bundle) as model:
        expected = model.predict_files([png(page, "JPEG")])
    answer = server.request("POST", "/v1/predict", png(page, "JPEG"), {"content-type": "image/jpeg"})
    assert answer.json["labels"] == expected.labels.tolist() == [test_digits[1][0]]
    assert np.array_equal(np.array(answer.json["probabilities"], np.float32), expected.probabilities)


def test_a_page_with_several_digits_is_read_in_order_with_boxes(server, served_bundle, test_digits):
    page = np.full((200, 620), 245, np.uint8)
    for number, digit in enumerate(test_digits[0][:3]):
        page[30:170, 20 + 200 * number : 160 + 200 * number] -= np.kron(digit // 2, np.ones((5, 5), np.uint8))
    with load(served_bundle) as model:
        expected, boxes = model.predict_page(png(page))
    body, kind = form(png(page), png(page))
    answer = server.request("POST", "/v1/predict?layout=page", body, {"content-type": kind})
    assert answer.status == 200, answer.body
    assert answer.json["labels"] == expected.labels.tolist() * 2
    assert len(boxes) == 3
    given = [(box["picture"], box["left"], box["top"], box["right"], box["bottom"]) for box in answer.json["boxes"]]
    assert given == [(picture, *box) for picture in (0, 1) for box in boxes.tolist()]
    blank = png(np.full((100, 100), 255, np.uint8))
    empty = server.request("POST", "/v1/predict?layout=page", blank, {"content-type": "image/png"})
    assert (empty.status, empty.json["labels"], empty.json["boxes"]) == (200, [], [])
    wrong = server.request("POST", "/v1/predict?layout=x", blank, {"content-type": "image/png"})
    assert (wrong.status, "one, page" in wrong.json["error"]) == (422, True)


def test_the_pixels_that_the_model_saw_are_answered_where_asked_for(server, served_bundle, test_digits):
    picture = png(np.kron(255 - test_digits[0][0], np.ones((3, 3), np.uint8)))
    for layout in ("one", "page"):
        answer = server.request(
            "POST", f"/v1/predict?layout={layout}&images=true", picture, {"content-type": "image/png"}
        )
        seen = np.array(answer.json["images"], np.uint8)
        with load(served_bundle) as model:
            assert np.array_equal(model.predict(seen).probabilities, np.float32(answer.json["probabilities"]))
    assert "images" not in server.request("POST", "/v1/predict", picture, {"content-type": "image/png"}).json


def test_what_is_below_the_threshold_is_unknown_where_asked_for(
    server, served_bundle, test_digits, run_server, tmp_path
):
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype=np.uint8)
    images[:8] = test_digits[0][:8]
    with load(served_bundle) as model:
        expected = model.predict(images, unknown=True).labels.tolist()
    assert {"unknown"} < set(expected)
    assert server.predict(images, "/v1/predict?unknown=true").json["labels"] == expected
    for path in ("/v1/predict", "/v1/predict?unknown=false"):
        assert "unknown" not in server.predict(images, path).json["labels"]
    wrong = server.predict(images, "/v1/predict?unknown=yes")
    assert (wrong.status, wrong.json["error"]) == (422, "unknown 'yes': allowed are false, true")
    shutil.copytree(served_bundle, tmp_path / "plain")
    manifest = json.loads((tmp_path / "plain/manifest.json").read_text())
    (tmp_path / "plain/manifest.json").write_text(
        json.dumps(manifest | {"task": manifest["task"] | {"unknown_threshold": None}})
    )
    plain = run_server(tmp_path / "plain").predict(images, "/v1/predict?unknown=true")
    assert (plain.status, "no threshold" in plain.json["error"]) == (422, True)


def test_raw_answers_and_named_artifacts(server, served_bundle, test_digits):
    images = test_digits[0][:300]
    for file in ("digits-float32.tflite", "digits-int8.onnx"):
        with load(served_bundle / file) as model:
            expected = model.predict(images).probabilities
        answer = server.predict(images, f"/v1/predict?artifact={file}", accept=RAW)
        assert answer.headers["content-type"] == RAW
        assert np.array_equal(np.frombuffer(answer.body, "<f4").reshape(-1, 10), expected)
        assert "inference;dur=" in answer.headers["server-timing"]


def test_ids_travel_and_refusals_say_what_to_mend(server, test_digits):
    assert server.predict(test_digits[0][:1], **{"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert server.predict(test_digits[0][:1], **{"x-request-id": "a b"}).headers["x-request-id"] != "a b"
    cases = [
        ("GET", "/nowhere", None, {}, 404, "/openapi.json"),
        ("DELETE", "/v1/predict", None, {}, 405, "POST"),
        ("POST", "/v1/predict?artifact=x.tflite", b"", {"content-type": RAW}, 404, "digits-int8.tflite"),
        ("POST", "/v1/predict", b"", {"content-type": RAW}, 422, "multiple of 784"),
        ("POST", "/v1/predict", b"x", {"content-type": "text/plain"}, 415, "image/png"),
        ("POST", "/v1/predict", b"x", {}, 415, "image/png"),
        ("POST", "/v1/predict", b"x", {"content-type": "image/png"}, 422, "PNG, JPEG"),
        ("POST", "/v1/predict", form()[0], {"content-type": form()[1]}, 422, "no files"),
        ("POST", "/v1/predict", b"x", {"content-type": "multipart/form-data"}, 400, "boundary"),
        ("GET", "/artifacts/..%2Fmanifest.json", None, {}, 404, ""),
        ("GET", "/artifacts/manifest.json", None, {}, 404, "digits-int8.onnx"),
        ("GET", "/../../etc/passwd", None, {}, 404, ""),
    ]
    for method, path, body, headers, status, words in cases:
        answer = server.request(method, path, body, headers)
        assert (answer.status, path) == (status, path)
        assert words in answer.json["error"]
        assert answer.headers["x-request-id"]


def test_an_image_bomb_is_refused_by_what_it_claims(server):
    server.request("POST", "/v1/predict", png(np.zeros((28, 28), np.uint8)), {"content-type": "image/png"})
    before = server.rss_bytes()
    bomb = png(np.zeros((9000, 9000), np.uint8))
    assert len(bomb) < 200_000
    answer = server.request("POST", "/v1/predict", bomb, {"content-type": "image/png"})
    assert answer.status == 422
    assert "9000 x 9000 pixels" in answer.json["error"]
    # Its pixels would take 81 MB.
    assert server.rss_bytes() - before < 20_000_000


def test_long_bodies_are_413_and_the_connection_lives_on(run_server, served_bundle, test_digits):
    server = run_server(served_bundle, arguments=["--max-body", "10000"])
    # With a length in the header, and in chunks without one.
    for body in (bytes(20_000), iter([bytes(6000)] * 3)):
        answer = server.request("POST", "/v1/predict", body, {"content-type": RAW})
        assert answer.status == 413
        assert "10000 bytes" in answer.json["error"]
        assert server.predict(test_digits[0][:1]).status == 200


def test_slow_bodies_and_idle_connections_are_ended(run_server, served_bundle):
    server = run_server(served_bundle, limits={"body_s": 0.5, "idle_s": 1.0})
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        slow.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 784\r\n")
        slow.sendall(b"content-type: application/octet-stream\r\n\r\n12")
        answer = b"".join(iter(lambda: slow.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"2 bytes of the body came in 0.5 s" in answer
    for start in (b"", b"POST /v1/predict HTTP/1.1\r\nhos"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
            idle.sendall(start)
            assert idle.recv(4096) == b""


def test_too_many_connections_are_answered_503(run_server, served_bundle):
    server = run_server(served_bundle, limits={"connections": 3})
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)]
    answer = server.request("GET", "/v2")
    assert (answer.status, answer.headers["connection"], answer.headers["retry-after"]) == (503, "close", "1")
    for each in held:
        each.close()


def test_the_key_is_asked_for_everywhere_but_on_the_page_and_the_health(
    run_server, served_bundle, test_digits, tmp_path
):
    (tmp_path / "key").write_text("s3cret\n")
    server = run_server(served_bundle, arguments=["--api-key-file", str(tmp_path / "key")])
    for path in ("/", "/bundle.json", "/v2/health/live", "/v2/health/ready", "/openapi.json"):
        assert server.request("GET", path).status == 200
    for path in ("/metrics", "/v2", "/v2/models/digits"):
        refused = server.request("GET", path)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    image = test_digits[0][:1]
    assert server.predict(image).status == 401
    assert server.predict(image, authorization="Bearer wrong").status == 401
    assert server.predict(image, authorization="Bearer s3cret").status == 200
    assert server.predict(image, **{"x-api-key": "s3cret"}).status == 200
    assert "security" in server.request("GET", "/openapi.json").json["paths"]["/v1/predict"]["post"]
    assert "s3cret" not in server.log_file.read_text()


def test_other_origins_may_call_only_where_they_are_named(server, run_server, served_bundle):
    origin = {"origin": "http://elsewhere.example"}
    assert "access-control-allow-origin" not in server.request("GET", "/v2", headers=origin).headers
    named = run_server(served_bundle, arguments=["--cors-origin", "http://elsewhere.example"])
    answer = named.request("GET", "/v2", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "http://elsewhere.example"
    other = named.request("GET", "/v2", headers={"origin": "http://third.example"})
    assert "access-control-allow-origin" not in other.headers


def test_metrics_count_what_happened(run_server, served_bundle, test_digits):
    server = run_server(served_bundle)
    server.predict(test_digits[0][:7])
    server.request("GET", "/made/up/path")
    text = server.request("GET", "/metrics").body.decode()
    assert 'http_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'http_requests_total{method="GET",route="static",status="404"} 1.0' in text
    assert "edgepress_images_total 7.0" in text
    assert "made/up" not in text
    assert "process_resident_memory_bytes" in text


def test_the_log_is_json_without_pictures(run_server, served_bundle, test_digits):
    server = run_server(served_bundle)
    server.predict(test_digits[0][:1], **{"x-request-id": "one"})
    line = server.wait_for_log("request")
    assert (line["id"], line["method"], line["path"], line["status"]) == ("one", "POST", "/v1/predict", 200)
    assert line["duration_s"] > 0
    assert set(line) == {"time", "level", "event", "id", "client", "method", "path", "status", "duration_s"}


PATIENT = {"answer_s": 30}
"""For tests of what is lost: no request is refused because the machine was busy for two seconds."""


class Clients(threading.Thread):
    """Keeps asking until `done` is set; counts answers, and requests that were sent and got none."""

    def __init__(self, port, keep, body):
        super().__init__(daemon=True)
        self.port, self.keep, self.body = port, keep, body
        self.done = threading.Event()
        self.statuses, self.lost = {}, []

    def run(self):
        import http.client

        connection = None
        while not self.done.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                    connection.connect()
            except ConnectionRefusedError:
                return
            try:
                connection.request("POST", "/v1/predict", self.body, {"content-type": RAW})
                response = connection.getresponse()
                response.read()
                self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
                closed = response.getheader("connection") == "close"
            except Exception as error:
                self.lost.append(repr(error))
                closed = True
            if closed or not self.keep:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def start_clients(server, digits, count=8):
    clients = [Clients(server.port, keep=bool(i % 2), body=digits[:3].tobytes()) for i in range(count)]
    for client in clients:
        client.start()
    return clients


def test_nothing_that_was_sent_is_lost_at_a_graceful_stop(run_server, served_bundle, test_digits):
    server = run_server(served_bundle, limits=PATIENT)
    clients = start_clients(server, test_digits[0])
    time.sleep(1)
    assert server.stop() == 0
    for client in clients:
        client.join(60)
    assert [client.lost for client in clients] == [[]] * len(clients)
    assert {status for client in clients for status in client.statuses} == {200}
    assert sum(client.statuses[200] for client in clients) > 50
    assert server.log()[-1]["event"] == "stopped"


def test_a_socket_of_systemd_survives_the_service(served_bundle, test_digits, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        program = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3);"
            "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
            "os.execv(sys.executable, [sys.executable, '-m', 'edgepress', 'serve', sys.argv[2], '--json'])"
        )

        def start():
            command = [sys.executable, "-c", program, str(listener.fileno()), str(served_bundle)]
            process = subprocess.Popen(
                command, pass_fds=[listener.fileno()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert json.loads(process.stdout.readline())["url"] == f"http://127.0.0.1:{port}/"
            return process

        first = start()
        clients = [Clients(port, keep=bool(i % 2), body=test_digits[0][:1].tobytes()) for i in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.5)
        first.send_signal(signal.SIGTERM)
        with first:
            assert first.wait(60) == 0
        second = start()
        time.sleep(0.5)
        for client in clients:
            client.done.set()
            client.join(60)
        second.send_signal(signal.SIGTERM)
        with second:
            assert second.wait(60) == 0
        assert [client.lost for client in clients] == [[]] * len(clients)
        assert all(set(client.statuses) == {200} for client in clients)


def test_a_new_bundle_takes_over_and_a_bad_one_does_not(run_server, test_digits, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    server = run_server(bundle, limits=PATIENT)
    clients = start_clients(server, test_digits[0])
    make_bundle(
        bundle,
        variants=(
            "float32",
            "int8",
        ),
        name="newer",
    )
    server.wait_for_log("the new bundle is served")
    assert server.request("GET", "/bundle.json").json["name"] == "newer"

    for number, spoil in enumerate((spoil_manifest, spoil_model, remove_default), start=1):
        spoil(bundle)
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 60
        while len([line for line in server.log() if line["event"].startswith("the new bundle is refused")]) < number:
            assert time.monotonic() < end, server.log()[-3:]
            time.sleep(0.02)
        assert server.predict(test_digits[0][:1]).status == 200
        assert server.request("GET", "/bundle.json").json["name"] == "newer"
        make_bundle(bundle, name="newer")
        time.sleep(1.5)
    for client in clients:
        client.done.set()
        client.join(60)
    assert [client.lost for client in clients] == [[]] * len(clients)
    assert {status for client in clients for status in client.statuses} == {200}
    text = server.request("GET", "/metrics").body.decode()
    assert 'edgepress_bundle_reloads_total{result="refused"}' in text


def spoil_manifest(bundle):
    (bundle / "manifest.json").write_text("{}")


def spoil_model(bundle):
    with open(bundle / "digits-int8.tflite", "r+b") as file:
        file.seek(5000)
        file.write(b"edge")
    os.utime(bundle / "manifest.json")


def remove_default(bundle):
    (bundle / "digits-int8.tflite").unlink()
    os.utime(bundle / "manifest.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "manifest.json"),
        (["--artifact", "x.tflite"], "digits-int8.tflite"),
        (["--backend", "x"], "litert"),
        (["--host", "256.0.0.1"], "cannot listen"),
        (["--api-key-file", "nowhere"], "cannot be read"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, words, served_bundle):
    bundle = arguments if arguments == ["nowhere"] else [str(served_bundle), *arguments]
    command = [sys.executable, "-m", "edgepress", "serve", *bundle]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("INFO:")]
    assert (done.returncode, len(lines), done.stdout) == (2, 1, "")
    assert words in lines[0]
