"""The report's files: whole, self-contained, and the same facts in each."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from edgepress.benchmarks import parse_report, read_report, write_report
from edgepress.benchmarks.report.card import to_card
from edgepress.benchmarks.report.explain import explain
from edgepress.benchmarks.report.ship import choose_row
from edgepress.benchmarks.report.table import COLUMNS, cells, to_csv, to_markdown, to_text
from edgepress.benchmarks.values import Batch
from edgepress.runtime import Artifact, InputError, Manifest


class _Page(HTMLParser):
    """Collects what a page would load, and checks that its elements are closed."""

    VOID = ("meta", "img", "br", "link", "path", "use", "rect", "image")

    def __init__(self):
        super().__init__()
        self.loads, self.open, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for key, value in attrs if key in ("src", "href", "xlink:href", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def folder(report, tmp_path):
    write_report(parse_report(report), tmp_path / "report")
    return tmp_path / "report"


def test_every_file_is_there_and_whole(folder):
    names = {path.name for path in folder.iterdir()}
    pictures = {"pareto.svg", "latency.svg", "confusion-float.svg", "confusion-chosen.svg", "sweep.svg"}
    assert names == {"report.json", "report.html", "report.csv", "report.md", "model-card.md"} | pictures
    for name in pictures:
        ElementTree.parse(folder / name)


def test_the_page_loads_nothing(folder):
    page = _Page()
    page.feed((folder / "report.html").read_text())
    assert page.open == []
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.loads)
    assert "@import" not in (folder / "report.html").read_text()
    assert not re.search(r"url\((?!#)", (folder / "report.html").read_text())


def test_the_page_says_what_the_table_says(folder, report):
    page = _Page()
    page.feed((folder / "report.html").read_text())
    text = " ".join(" ".join(page.text).split())
    for line in cells(parse_report(report)):
        for cell in line:
            assert cell in text
    assert choose_row(parse_report(report)).verdict.text in text


def test_names_from_a_bundle_are_escaped(report, tmp_path):
    report["bundle"]["name"] = "<script>alert(1)</script>"
    report["rows"][1]["artifact"] = "<b>x</b>.tflite"
    write_report(parse_report(report), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "<b>x" not in page


def test_a_report_from_a_device_is_drawn_later(folder, tmp_path):
    report = read_report(folder / "report.json")
    write_report(report, tmp_path / "again")
    for name in ("report.json", "report.html", "pareto.svg"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_without_accuracy_there_is_still_a_report(blind_report, tmp_path):
    write_report(parse_report(blind_report), tmp_path)
    assert "accuracy not measured" in to_text(parse_report(blind_report))
    assert not (tmp_path / "pareto.svg").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{", "not a report"), ("{}", "not a report"), ("[]", "not a report"), (9, "up to 1")],
)
def test_what_is_no_report_is_refused(report, tmp_path, content, message):
    path = tmp_path / "report.json"
    if isinstance(content, int):
        content = json.dumps(report | {"schema": content})
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_report(path)


def test_text_is_aligned_and_names_what_failed(report):
    report["failed"] = [{"artifact": "x.tflite", "backend": "litert", "threads": 1, "reason": "it died"}]
    report["conditions"]["not_comparable"] = ["the processor was throttled"]
    lines = to_text(parse_report(report)).splitlines()
    assert lines[2].startswith("artifact")
    assert "not comparable: the processor was throttled" in to_text(parse_report(report))
    assert lines[-1] == "Not measured: x.tflite in litert: it died"


def test_markdown_has_one_line_a_row(report):
    body = [line for line in to_markdown(parse_report(report)).splitlines() if line.startswith("| ")]
    assert len(body) == 2 + len(report["rows"])
    assert all(line.count("|") == len(COLUMNS) + 1 for line in body)


def test_the_model_card_says_what_was_and_was_not_measured(report, blind_report):
    report["conditions"]["not_comparable"] = ["the processor was throttled"]
    card = to_card(parse_report(report), choose_row(parse_report(report)))
    assert card.startswith("---\nlibrary_name: edgepress\n")
    assert f"value: {choose_row(parse_report(report)).accuracy:.4f}" in card
    assert "- Comparable latencies: the processor was throttled." in card
    assert "sha256" in card
    blind = to_card(parse_report(blind_report), None)
    assert "model-index" not in blind
    assert "- Accuracy: no labelled images were given." in blind


def test_csv_is_unrounded(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(parse_report(report)))))
    for row, facts in zip(rows, report["rows"], strict=True):
        assert float(row["latency_us.p50"]) == facts["latency_us"]["p50"]
        assert float(row["difference_interval_points.low"]) == facts["difference_interval_points"][0]


def test_nothing_is_minus_zero(report):
    report["rows"][1]["difference_points"] = -0.001
    report["rows"][1]["difference_interval_points"] = [-0.004, 0.003]
    assert cells(parse_report(report))[1][3] == "0.00 [0.00, 0.00]"


_MANIFEST = Manifest.from_json(
    '{"schema": 1, "name": "m", "labels": ["a", "b"], "preprocessing": {"height": 1, "width": 1}, "output": "logits",'
    ' "artifacts": [], "default_model": "m"}'
)


def artifact(file):
    return Artifact(
        file=file, model="m", format="tflite", variant="int8", sha256="", bytes=1, inputs=(), outputs=(),
        weights={"int8": 1.0}, operators={"FULLY_CONNECTED": 4},
    )  # fmt: skip


def row(report, variant, p50, **changes):
    known = parse_report(report).rows[0]
    speed = replace(known.speed, latency_us=replace(known.speed.latency_us, p50=p50), batches=(Batch(256, 1e6 / p50),))
    own = replace(known, artifact=f"m-{variant}.tflite", model="m", variant=variant, backend="litert", speed=speed)
    return replace(own, **changes)


def test_only_rows_that_are_not_faster_are_explained(report):
    artifacts = {name: artifact(name) for name in ("m-int8.tflite", "m-float32.tflite")}
    machine = {"architecture": "x86_64", "features": []}
    assert explain([row(report, "float32", 10.0), row(report, "int8", 5.0)], artifacts, machine) == []
    (entry,) = explain([row(report, "float32", 10.0), row(report, "int8", 12.0)], artifacts, machine)
    assert entry["artifact"] == "m-int8.tflite"
    assert entry["reasons"][0]["rule"] == "missing kernel"
    assert explain([row(report, "float32", 10.0, backend="numpy"), row(report, "int8", 12.0)], artifacts, machine) == []
