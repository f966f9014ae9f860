"""Typed values become the JSON that they came from, whoever wrote it."""

import json
from dataclasses import replace

import pytest

from edgepress.benchmarks import parse_report, report_to_dict
from edgepress.benchmarks.report.card import to_card
from edgepress.benchmarks.report.ship import choose_row
from edgepress.benchmarks.report.table import to_csv, to_markdown
from edgepress.benchmarks.values import Metric
from edgepress.runtime import InputError


@pytest.fixture
def golden(pytestconfig):
    """A report, with all that is measured in it, and what was made of it when its rows were objects of JSON."""
    return pytestconfig.rootpath / "tests/golden/report"


@pytest.mark.parametrize("name", ["report.json", "blind.json"])
def test_a_stored_report_comes_back_as_it_was(golden, name):
    data = json.loads((golden / name).read_text())
    again = json.loads(json.dumps(report_to_dict(parse_report(data)), allow_nan=False))
    assert again == data
    assert list(again) == list(data)
    assert [set(row) for row in again["rows"]] == [set(row) for row in data["rows"]]


def test_what_is_made_of_it_is_what_was(golden):
    report = parse_report(json.loads((golden / "report.json").read_text()))
    assert to_csv(report) == (golden / "report.csv").read_text()
    assert to_markdown(report) == (golden / "report.md").read_text()
    assert to_card(report, choose_row(report)) == (golden / "model-card.md").read_text()


def test_a_metric_of_another_task_takes_the_place_of_scores(golden):
    report = parse_report(json.loads((golden / "report.json").read_text()))
    metric = Metric("mae", 1.5, "lower", "degrees", 0.1, (-0.2, 0.4), 7.0)
    row = replace(report.rows[1], scores=None, comparison=None, verdict=None, metric=metric)
    data = report_to_dict(replace(report, rows=(report.rows[0], row)))
    assert "metric" not in data["rows"][0]
    assert data["rows"][1]["metric"]["difference_interval"] == [-0.2, 0.4]
    assert data["rows"][1]["accuracy"] is None
    assert parse_report(json.loads(json.dumps(data))).rows[1] == row


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda row: row.pop("bytes"), "bytes"),
        (lambda row: row.update(bytes="many"), "many"),
        (lambda row: row.update(batches={}), "batches"),
        (lambda row: row.update(accuracy_interval=[0.1]), "accuracy_interval"),
        (lambda row: row.update(threads=True), "threads"),
    ],
)
def test_what_has_another_shape_is_no_report(golden, spoil, message):
    data = json.loads((golden / "report.json").read_text())
    spoil(data["rows"][0])
    with pytest.raises(InputError, match=f"not a report of .*{message}"):
        parse_report(data)
