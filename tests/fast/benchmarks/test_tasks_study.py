"""The study of other data and questions: its command lines, what it holds a row to, and its table."""

import json

import pytest

from edgepress.benchmarks.studies.tasks.made import Made, made_of, missed, table
from edgepress.benchmarks.studies.tasks.rows import ROWS, Wanted, commands, measuring
from edgepress.runtime import InputError

PLACES = {"data": "/data", "work": "/work/row", "tables": "/tables"}
FLOAT, INT8 = {"roc_auc": 0.995}, {"roc_auc": 0.992}
MADE = Made("accuracy", 0.98, 0.97, -1.0, (-2.0, 0.0), "points", 0.4, 5000, 3.25, FLOAT, INT8, "pixels")


def test_a_press_is_one_command_and_a_model_of_ones_own_two():
    (press,) = commands(ROWS["wine"], PLACES, "quick")
    assert press[:5] == ["press", "--data", "/tables/wine.csv", "--label", "cultivar"]
    assert press[-3:] == ["--out", "/work/row/run", "--json"]
    export, benchmark = commands(ROWS["resnet8"], PLACES, "quick")
    assert export[:2] == ["export", "float=/data/models/resnet8.h5"]
    assert benchmark[:2] == ["benchmark", "/work/row/run/bundle"]
    assert "--input" not in export
    assert benchmark == measuring(ROWS["resnet8"], PLACES, "quick")
    again = measuring(ROWS["wine"], PLACES, "quick")
    assert again[:4] == ["benchmark", "/work/row/run/bundle", "--data", "/tables/wine.csv"]
    assert again[again.index("--float-model") + 1] == "/work/row/run/float.keras"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(float_at_least=0.98, int8_at_least=0.97, int8_within=0.01, bytes_at_most=5000, input="pixels"), []),
        (Wanted(float_at_least=0.99), ["float accuracy 0.9800, at least 0.99 is wanted"]),
        (Wanted(int8_at_least=0.98), ["int8 accuracy 0.9700, at least 0.98 is wanted"]),
        (Wanted(int8_within=0.005), ["int8 accuracy 0.0100 from float, 0.005 is allowed"]),
        (Wanted(int8_within_share=0.01), ["int8 accuracy 1.0% from float, 1% is allowed"]),
        (Wanted(float_at_least=0.99, int8_within=0.005, metric="roc_auc"), []),
        (Wanted(more={"roc_auc": 0.995}), ["int8 roc_auc 0.9920, at least 0.995 is wanted"]),
        (Wanted(bytes_at_most=4999), ["5,000 bytes, at most 4,999 are wanted"]),
        (Wanted(input="pixels/255"), ["input found as 'pixels', 'pixels/255' is wanted"]),
    ],
)
def test_what_a_row_must_show_and_does_not(wanted, told):
    assert missed(wanted, MADE) == told


def test_a_regression_is_held_to_a_linear_model():
    made = MADE._replace(float_more={"r2": 0.42}, int8_more={"r2": 0.42})
    assert missed(Wanted(like_linear=0.05), made, 0.45) == []
    assert missed(Wanted(like_linear=0.05), made, 0.48) == ["float r2 0.4200, a linear model has 0.4800"]


def test_nothing_passes_that_is_no_number():
    """A comparison with NaN is never true."""
    broken = MADE._replace(int8_value=float("nan"))
    assert missed(Wanted(int8_at_least=0.5, int8_within=0.5), broken)


def test_the_table_has_a_line_a_row_and_says_why_one_is_empty():
    lines = list(table({"wine": MADE, "zeros": "no mnist.npz in EDGEPRESS_DATA_DIR"}))
    assert len(lines) == 4
    assert "| accuracy 0.98, roc_auc 0.995 | 0.97, 0.992 | -1 points [-2, +0] | 0.4 | 5,000 | 3.2 |" in lines[2]
    assert "no mnist.npz" in lines[3]


def test_a_report_without_an_int8_file_is_no_result(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.json").write_text(json.dumps({"rows": [{"artifact": "float.keras"}]}))
    with pytest.raises(InputError, match=r"reports on float\.keras: an int8 TFLite file with a metric is needed"):
        made_of(tmp_path)
