"""What the web server is made of: the protocol that event loops read into, and the log's lines."""

import asyncio
import io
import json
import logging

import pytest

pytest.importorskip("uvicorn", reason="needs the serve extra")

from edgepress.runtime.serve.host.logs import log_as_json, log_fields
from edgepress.runtime.serve.host.protocol import http_protocol


@pytest.fixture
def lines(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    loggers = [logging.getLogger(name) for name in ("edgepress", "uvicorn", "uvicorn.error")]
    before = [(each, each.handlers, each.level, each.propagate) for each in loggers]
    log_as_json()
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for each, handlers, level, propagate in before:
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


def test_lines_of_requests_and_others_have_one_form(lines):
    logger = logging.getLogger("edgepress.serve")
    log_fields(logger, "request", {"status": 200, "error": "half a pair: \ud800"})
    logger.error("stopped", extra={"fields": {"bundle": "digits"}})
    request, other = lines()
    assert list(request) == ["time", "level", "event", "status", "error"]
    assert (request["level"], request["event"], request["status"]) == ("info", "request", 200)
    assert request["error"] == "half a pair: \ud800"
    assert list(other) == ["time", "level", "event", "bundle"]
    assert request["time"][-1] == "Z"
    assert len(request["time"]) == len("2026-01-01T00:00:00.000Z")


def test_what_a_client_sends_ends_no_line(lines):
    path = "/artifacts/\u0085\u2028\n\r\x1c"
    log_fields(logging.getLogger("edgepress.serve"), "request", {"path": path})
    (line,) = lines()
    assert line["path"] == path


def test_lines_below_the_level_are_not_written(lines):
    logger = logging.getLogger("edgepress.serve")
    logging.getLogger("edgepress").setLevel(logging.WARNING)
    log_fields(logger, "request", {})
    assert lines() == []


def test_event_loops_read_into_our_buffer():
    """uvloop does where the protocol is a `BufferedProtocol` and no `Protocol`; asyncio where it is the first."""
    protocol = http_protocol()
    assert issubclass(protocol, asyncio.BufferedProtocol)
    assert not issubclass(protocol, asyncio.Protocol)
