"""The study of int8 ONNX files: its ratios, and what it fails by."""

import json

import pytest

from edgepress.benchmarks.studies.onnx_int8 import NETWORKS, SETTINGS, main, table


def _times(ours, best):
    other = {name: [3 * best, 3 * best] for name in SETTINGS}
    return {"float32": [100.0, 100.0], "edgepress": ours, **other, "S8S8": [best, best]}


def test_a_line_has_the_best_setting_and_both_ratios():
    (line,) = [line for line in table({"resnet8": _times([52.0, 52.0], 50.0)}) if line.startswith("| ResNet8")]
    assert line == "| ResNet8, 32 px | 100 | 52 | S8S8 | 50 | 1.04 | 0.52 |"


@pytest.mark.parametrize(("ours", "status"), [(52.0, 0), (53.0, 1)])
def test_a_file_beyond_the_bound_fails_the_study(tmp_path, capsys, ours, status):
    for name in NETWORKS:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "made").touch()
        (folder / "measured-2.json").write_text(json.dumps(_times([ours, ours], 50.0)))
    assert main(["--rounds", "2", "--work", str(tmp_path)]) == status
    told = capsys.readouterr()
    assert ("1.06 times" in told.err) == bool(status)
