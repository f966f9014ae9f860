"""A served bundle of the golden models, in a process of its own, as the tests talk to it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bundles import golden, write_bundle

from edgepress.base.files import new_folder

UNKNOWN_THRESHOLD = 0.5
_WITH_LIMITS = """
import json, sys
from edgepress.runtime.serve import Limits, Options, serve
from edgepress.runtime.serve.host.logs import log_as_json
log_as_json()
limits = json.loads(sys.argv[2])
serve(sys.argv[1], Options(port=0, limits=Limits(**limits)), lambda url: print(json.dumps({"url": url}), flush=True))
"""


def make_bundle(folder, variants=("float32", "int8"), name="digits"):
    """A bundle of golden digit classifiers; it replaces what is at `folder`."""
    files = [f"digits-{variant}.{format}" for variant in variants for format in ("tflite", "onnx")]
    with new_folder(Path(folder), overwrite=Path(folder).exists()) as work:
        write_bundle(work, golden(*files), name=name, unknown_threshold=UNKNOWN_THRESHOLD)
    return Path(folder)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Server:
    """A running `edgepress serve`."""

    process: subprocess.Popen
    log_file: Path
    port: int = 0
    url: str = ""
    connection: http.client.HTTPConnection | None = field(default=None, repr=False)
    used: float = 0.0

    def request(self, method, path, body=None, headers=()):
        """One request on the kept connection, or on a new one where that was idle for long."""
        if self.connection is None or time.monotonic() - self.used > 5:
            if self.connection is not None:
                self.connection.close()
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.used = time.monotonic()
        try:
            self.connection.request(method, path, body, dict(headers))
            response = self.connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def predict(self, images, path="/v1/predict", **headers):
        """Raw pixels in, JSON out."""
        return self.request("POST", path, images.tobytes(), {"content-type": "application/octet-stream", **headers})

    def log(self):
        """The log lines, as objects."""
        # The last line may be half written.
        lines = self.log_file.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for_log(self, event, seconds=60):
        """Wait until the log tells of `event`; returns that line."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.log():
                if line["event"] == event:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no {event!r} in the log within {seconds} s: {self.log_file.read_text()[-2000:]}")

    def rss_bytes(self):
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.connection is not None:
            self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        with self.process:
            return self.process.wait(60)


def start_server(bundle, folder, arguments=(), limits=None, environment=()):
    """Start one on a free port: by the command line, or with `Limits` that have no option there."""
    folder.mkdir(parents=True, exist_ok=True)
    if limits is None:
        command = [sys.executable, "-m", "edgepress", "serve", str(bundle), "--port", "0", "--json", *arguments]
    else:
        command = [sys.executable, "-c", _WITH_LIMITS, str(bundle), json.dumps(limits)]
    log_file = folder / "log"
    with open(log_file, "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **dict(environment)})
    server = Server(process, log_file)
    if not (line := process.stdout.readline()):
        with process:
            process.kill()
    assert line, f"the server did not start: {log_file.read_text()}"
    server.url = json.loads(line)["url"]
    server.port = int(server.url.rstrip("/").rpartition(":")[2])
    return server
