"""The studies behind docs/serve.md, shortened: load, endurance, malformed requests."""

import pytest
from kinds import KINDS, make_kind

from edgepress.benchmarks.studies.server import load as serve_load
from edgepress.benchmarks.studies.server import malformed as serve_malformed
from edgepress.benchmarks.studies.server import soak as serve_soak
from edgepress.benchmarks.studies.server.mix import Mix, same
from edgepress.benchmarks.studies.server.protocol import ask_by_protocol
from edgepress.benchmarks.studies.server.serving import Client, start_server

# What a server can do is measured first, and then asked of it: neighbours that come and go would change it in between.
pytestmark = pytest.mark.alone


def test_half_a_minute_at_80_percent_has_no_error_and_no_growth(served_bundle):
    result = serve_soak.soak(served_bundle, seconds=30, share=0.8, clients=4)
    assert serve_soak.failures(result) == []
    assert result["requests"] > 100


def test_the_soak_finds_what_it_must_not_show():
    good = {"statuses": {"200": 9}, "wrong_answers": 0, "rss_late_growth_bytes": 0}
    assert serve_soak.failures(good) == []
    for bad in ({"statuses": {"200": 9, "503": 1}}, {"wrong_answers": 1}, {"rss_late_growth_bytes": 2_500_001}):
        assert len(serve_soak.failures(good | bad)) == 1


def test_malformed_requests_are_refused_with_what_to_mend_and_break_nothing(served_bundle):
    result = serve_malformed.malformed(served_bundle, requests=500, seed=1)
    assert result["failures"] == []
    assert len(result["kinds"]) == 17
    assert {"400", "404", "405", "408", "413", "415", "422"} <= set(result["statuses"])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "binary"])
def test_malformed_requests_of_every_kind_of_bundle_break_nothing(kind, tmp_path):
    result = serve_malformed.malformed(make_kind(tmp_path / kind, kind), requests=200, seed=2)
    assert result["failures"] == []
    assert not [status for status in result["statuses"] if status.startswith("5")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_soak_s_requests_of_every_form_and_kind_are_answered_right(kind, tmp_path):
    folder = make_kind(tmp_path / kind, kind)
    mix = Mix.of(str(folder))
    with start_server(folder) as server:
        client = Client(server.port)
        for number, request in enumerate(mix.requests):
            status, body = client.ask(request)
            assert (status, mix.right(number, body)) == (200, True)
        client.close()
        # And a client that knows the Open Inference Protocol alone.
        assert ask_by_protocol(str(folder), server.port)["failures"] == []


def test_wrong_answers_are_found():
    assert same({"a": [1.0, "x", True]}, {"a": [1.000001, "x", True]})
    for wrong in ({"a": [1.001, "x", True]}, {"a": [1.0, "y", True]}, {"a": [1.0, "x", False]}, {"a": [1.0]}, {}):
        assert not same(wrong, {"a": [1.0, "x", True]})


def test_at_three_times_capacity_what_is_not_answered_is_503(served_bundle):
    result = serve_load.measure(served_bundle, rounds=1, seconds=2.0, clients=2, timeout_s=2.0)
    overload = result["overload"]
    assert set(overload["statuses"]) <= {"200", "503"}
    assert overload["statuses"]["200"] > 0
    assert overload["statuses"]["503"] > 0
