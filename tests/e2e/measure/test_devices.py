"""Reports of several machines in one table."""

import json
import subprocess
import sys

import pytest

from edgepress.benchmarks import merge_reports, parse_report
from edgepress.benchmarks.report.devices import to_comparison_markdown, to_comparison_text
from edgepress.runtime import InputError


@pytest.fixture
def reports(report, blind_report):
    blind_report["machine"]["host"] = "pi@raspberrypi"
    blind_report["conditions"]["not_comparable"] = ["the processor was throttled"]
    report["conditions"]["not_comparable"] = []
    return [report, blind_report]


def test_rows_of_one_artifact_stand_together(reports):
    merged = merge_reports([parse_report(report) for report in reports])
    artifacts = [each.row.artifact for each in merged.rows]
    assert artifacts == sorted(artifacts, key=artifacts.index)
    assert len(artifacts) == 6
    assert {each.device for each in merged.rows if not each.comparable} == {"pi@raspberrypi"}
    json.dumps(merged.to_dict(), allow_nan=False)


def test_the_table_marks_what_does_not_compare(reports):
    merged = merge_reports([parse_report(report) for report in reports])
    text, markdown = to_comparison_text(merged), to_comparison_markdown(merged)
    for written in (text, markdown):
        assert written.count("pi@raspberrypi *") == 3
        assert "* pi@raspberrypi: latencies are not comparable: the processor was throttled." in written
    assert len({line.count("|") for line in markdown.splitlines() if line.startswith("|")}) == 1


def test_equal_machines_are_numbered(report):
    devices = [name for name, _ in merge_reports([parse_report(report)] * 2).devices]
    assert devices[0].endswith(" (1)")
    assert devices[1].endswith(" (2)")


def test_reports_of_different_bundles_are_refused(reports):
    reports[1]["bundle"]["name"] = "another"
    with pytest.raises(InputError, match="different bundles"):
        merge_reports([parse_report(report) for report in reports])
    with pytest.raises(InputError, match="no reports"):
        merge_reports([])


def test_the_command(reports, tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, report in zip(paths, reports, strict=True):
        path.write_text(json.dumps(report))
    command = [sys.executable, "-m", "edgepress", "compare", *map(str, paths)]
    done = subprocess.run([*command, "--json", "--out", str(tmp_path / "out")], capture_output=True, check=True)
    assert len(json.loads(done.stdout)["rows"]) == 6
    assert (tmp_path / "out/compare.md").read_text().startswith("| artifact | device |")
    assert (tmp_path / "out/device-2/report.html").is_file()
    done = subprocess.run([*command, str(tmp_path / "none.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("edgepress: ")
    assert done.stderr.count("\n") == 1
