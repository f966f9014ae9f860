"""CSV and Parquet tables, and one row for the runtime."""

import logging

import numpy as np
import pytest

from edgepress.data import as_dataset, load_dataset
from edgepress.runtime import InputError
from edgepress.runtime.contract import Features
from edgepress.runtime.preprocess.tables import read_csv, read_rows


def write(path, rows, header="id,city,age,member,churn", separator=","):
    lines = [header, *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines).replace(",", separator), encoding="utf-8")
    return path


def customers(count=40):
    rng = np.random.default_rng(0)
    return [
        [
            f"p{i}",
            ("Paris", "Rome", "Oslo")[i % 3],
            rng.integers(18, 90),
            ("true", "false")[i % 2],
            ("yes", "no")[i % 2],
        ]
        for i in range(count)
    ]


def test_a_table_of_all_kinds(tmp_path, caplog):
    rows = customers()
    rows[3][2] = rows[4][2] = ""
    rows[5][1] = "NA"
    with caplog.at_level(logging.INFO, "edgepress"):
        data = load_dataset(write(tmp_path / "churn.csv", rows), label="churn")
    features = data.inputs[""]
    assert features.columns == ("city", "age", "member")
    assert features.expanded == ("city=Oslo", "city=Paris", "city=Rome", "age", "member")
    assert features.missing["age"] == np.median(data.x_train[:, 3])
    assert set(features.missing) == {"age", "city"}
    assert (data.name, data.labels, data.targets.kind) == ("churn", ("no", "yes"), "classes")
    assert (data.x_train.shape, data.x_test.shape) == ((32, 5), (8, 5))
    assert "id (40 different texts) left out" in caplog.text
    assert (data.x_train[:, :3].sum(1) == 1).all()
    np.testing.assert_array_equal(data.x_train[:, 4], data.y_train)


def test_rows_at_predict_become_what_they_were_in_training(tmp_path):
    path = write(tmp_path / "churn.csv", customers())
    data = load_dataset(path, label="churn")
    features = data.inputs[""]
    given = features.numbers(read_rows(path))
    every = np.concatenate([data.x_train, data.x_test])
    assert sorted(map(tuple, given)) == sorted(map(tuple, every))
    row = features.numbers({"city": "Rome", "age": 30, "member": True})
    assert row.tolist() == [[0, 0, 1, 30, 1]]
    assert features == Features.from_dict(features.to_dict())
    with pytest.raises(InputError, match="column 'city' is 'Bonn': allowed are Oslo, Paris, Rome"):
        features.numbers({"city": "Bonn", "age": 30, "member": True})
    with pytest.raises(InputError, match="column 'age' is not there, and Age is"):
        features._replace(missing={"age": 7.0}).numbers({"city": "Rome", "Age": 30, "member": True})
    for missing in (None, "", "NA", " nan ", "?", float("nan")):
        row = {"city": "Rome", "age": missing, "member": "TRUE"}
        assert features._replace(missing={"age": 7.0}).numbers(row).tolist() == [[0, 0, 1, 7, 1]]
    with pytest.raises(InputError, match="column 'age' has no value"):
        features.numbers({"city": "Rome", "age": float("nan"), "member": True})


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_marks_and_ends_of_lines(tmp_path, separator, mark, end):
    text = end.join(
        [separator.join(row) for row in (["a", "b c", "y"], *[[str(i), f"{i}.5", "01"[i % 2]] for i in range(10)])]
    )
    (tmp_path / "t.csv").write_bytes((mark + text + end + end).encode())
    data = load_dataset(tmp_path / "t.csv", label="y")
    assert data.inputs[""].columns == ("a", "b c")
    assert (data.targets.kind, data.labels, len(data.train)) == ("classes", ("0", "1"), 8)


def labelled(tmp_path, labels, **options):
    path = write(tmp_path / "t.csv", [[i, label] for i, label in enumerate(labels)], header="x,y")
    return load_dataset(path, label="y", **options)


@pytest.mark.parametrize(
    ("labels", "options", "kind", "names"),
    [
        ([1, 2, 3] * 10, {}, "classes", ("1", "2", "3")),
        ([3, 5, 9] * 10, {}, "classes", ("3", "5", "9")),
        (["a", "b", "c"] * 10, {}, "classes", ("a", "b", "c")),
        (["True", "False"] * 10, {}, "classes", ("False", "True")),
        ([1, 2, 3] * 10, {"task": "regression"}, "numbers", ("y",)),
        ([0.5, 1.25, 9.5] * 10, {}, "numbers", ("y",)),
        (list(range(0, 90, 3)) * 4, {"task": "multiclass"}, "classes", tuple(map(str, range(0, 90, 3)))),
    ],
)
def test_right_answers(tmp_path, labels, options, kind, names):
    data = labelled(tmp_path, labels, **options)
    assert (data.targets.kind, data.labels) == (kind, names)


def test_whole_numbers_of_many_values_need_a_word(tmp_path):
    with pytest.raises(InputError, match="--task regression"):
        labelled(tmp_path, range(0, 900, 9))
    assert labelled(tmp_path, range(0, 900, 9), task="regression").y_train.shape == (80, 1)


def test_several_right_answers(tmp_path):
    rows = [[i, i % 2, i // 2 % 2, i / 7] for i in range(20)]
    path = write(tmp_path / "t.csv", rows, header="x,a,b,c")
    data = load_dataset(path, label="a, b")
    assert (data.targets.kind, data.labels, data.inputs[""].columns) == ("labels", ("a", "b"), ("x", "c"))
    data = load_dataset(path, label="b,c")
    assert (data.targets.kind, data.labels) == ("numbers", ("b", "c"))


def test_no_right_answers_for_anomalies(tmp_path):
    path = write(tmp_path / "t.csv", [[i, i + 0.5] for i in range(10)], header="a,b")
    assert load_dataset(path, task="anomaly").targets.kind == "nothing"


def test_the_row_numbers_of_pandas_are_left_out(tmp_path, caplog):
    path = write(tmp_path / "t.csv", [[i, i * 2, i % 2] for i in range(10)], header=",a,y")
    assert load_dataset(path, label="y").inputs[""].columns == ("a",)
    assert "without a name is left out" in caplog.text


def test_parts_in_one_folder(tmp_path):
    write(tmp_path / "train.csv", customers(30))
    write(tmp_path / "Test.csv", customers(10))
    data = load_dataset(tmp_path, label="churn")
    assert {part: len(held) for part, held in data.parts.items()} == {"train": 30, "test": 10}
    write(tmp_path / "val.csv", customers(6))
    assert len(load_dataset(tmp_path, label="churn").parts["validation"]) == 6
    write(tmp_path / "val.csv", [row[:4] for row in customers(6)], header="id,city,age,member")
    with pytest.raises(InputError, match=r"val\.csv has no column 'churn'"):
        load_dataset(tmp_path, label="churn")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,y\n", "no rows below"),
        ("a,a\n1,2\n", "column 'a' twice"),
        ("1,2\n3,4\n", "starts with numbers"),
        ("a,y\n1,2\n1,2,3\n", "line 3: 3 values, and the first line names 2"),
        ("a,y\n" + "1,0\n" * 5 + "twelve,1\n" + "1,1\n" * 3, "'a' is 'twelve' in line 7"),
        ("a;y\n" + "1,5;0\n2,5;1\n" * 5, "decimal comma"),
        ("a,y\n" + "2024-01-31,0\n2024-02-01 10:00,1\n" * 5, "a date"),
        ("a,y\n" + "31.1.2024,0\n" * 5, "a date"),
        ("a,y\n1,0\n2,\n3,1\n", "1 of 3 rows have no 'y', the first in line 3"),
        ("a,y\n1,0\ninf,1\n", "infinite in line 3"),
        ("a,z\n1,0\n", "no column 'y': its columns are a, z"),
        ("y\n" + "0\n1\n" * 5, "no column of numbers or categories"),
        ("a,y\n\xff,0\n", "not in UTF-8"),
        ("a,y\n,0\n,1\n,0\n,1\n", "'a' has no values in the training part"),
    ],
)
def test_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message) as refused:
        load_dataset(tmp_path / "t.csv", label="y")
    assert "\n" not in str(refused.value)


def test_text_where_a_number_is_the_right_answer(tmp_path):
    with pytest.raises(InputError, match="'y' is 'cheap' in line 2: numbers are needed"):
        labelled(tmp_path, ["cheap", "dear"] * 9, task="regression")


def test_without_a_label_the_columns_are_listed(tmp_path):
    with pytest.raises(InputError, match="--label: id, city, age, member, churn"):
        load_dataset(write(tmp_path / "t.csv", customers()))


def test_quoted_values_and_lines(tmp_path):
    (tmp_path / "t.csv").write_text('a,"b, c"\n1,"x, ""y"""\n"2\n3",z\n5,6,7\n')
    with pytest.raises(InputError, match="line 5: 3 values"):
        read_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text('a,"b, c"\n1,"x, ""y"""\n')
    assert read_rows(tmp_path / "t.csv") == [{"a": "1", "b, c": 'x, "y"'}]
    assert read_rows(b"a,b\n?,NaN\n") == [{"a": None, "b": None}]


def test_parquet_gives_what_csv_gives(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = customers()
    rows[3][2], rows[5][1] = None, None
    columns = dict(zip(("id", "city", "age", "member", "churn"), zip(*rows, strict=True), strict=True))
    columns["age"] = [None if value is None else int(value) for value in columns["age"]]
    columns["member"] = [value == "true" for value in columns["member"]]
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    from_csv = [["" if value is None else value for value in row] for row in rows]
    plain = load_dataset(write(tmp_path / "t.csv", from_csv), label="churn")
    packed = load_dataset(tmp_path / "t.parquet", label="churn")
    assert (packed.inputs, packed.targets, packed.sha256) == (plain.inputs, plain.targets, plain.sha256)
    with pytest.raises(InputError, match="no 'age', the first in row 4"):
        load_dataset(tmp_path / "t.parquet", label="age")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load_dataset(tmp_path / "cut.parquet", label="churn")


def test_a_frame_of_pandas_is_a_table(tmp_path):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    path = write(tmp_path / "t.csv", customers())
    frame = pandas.read_csv(path)
    plain, given = load_dataset(path, label="churn"), as_dataset(frame, label="churn", name="t")
    assert (given.inputs, given.targets, given.sha256) == (plain.inputs, plain.targets, plain.sha256)
    numbers = as_dataset((frame[["age", "member"]].astype(float), frame["churn"].to_numpy(str)))
    assert numbers.inputs[""].columns == ("age", "member")
    with pytest.raises(InputError, match="--label: id, city"):
        as_dataset(frame)


def test_a_packed_table_that_is_too_large(tmp_path, monkeypatch):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"a": list(range(999)), "y": [0] * 999}), tmp_path / "t.parquet")
    monkeypatch.setattr("edgepress.data.readers.columns._MAX_BYTES", 1000)
    with pytest.raises(InputError, match="at most 1,000 are read"):
        load_dataset(tmp_path / "t.parquet", label="y")


def test_parquet_columns_of_no_use(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import datetime

    from pyarrow import parquet

    for column in ([[1], [2]], [datetime.date(2024, 1, 1)] * 2):
        parquet.write_table(arrow.table({"a": column, "y": [0, 1]}), tmp_path / "t.parquet")
        with pytest.raises(InputError, match="turn it into numbers"):
            load_dataset(tmp_path / "t.parquet", label="y")


@pytest.mark.parametrize(
    ("values", "labels"), [("0.0 1.0", "0 1"), ("1.0 2.0", "1 2"), ("-1.0 1.0", "-1 1"), ("0.0 1.0 2.0", "0 1 2")]
)
def test_whole_numbers_with_a_point_are_classes_where_arrays_have_them(tmp_path, values, labels):
    """pandas writes a column so in which a value was missing once."""
    rows = [[i, values.split()[i % len(values.split())]] for i in range(30)]
    data = load_dataset(write(tmp_path / "t.csv", rows, header="a,y"), label="y")
    assert (data.targets.kind, data.labels) == ("classes", tuple(labels.split()))
    assert load_dataset(tmp_path / "t.csv", label="y", task="regression").targets.kind == "numbers"


def test_prices_with_a_point_stay_numbers(tmp_path):
    rows = [[i, f"{10 + 5 * (i % 7)}.0"] for i in range(40)]
    assert load_dataset(write(tmp_path / "t.csv", rows, header="a,y"), label="y").targets.kind == "numbers"


def test_answers_that_read_like_nothing_are_said_to_be_none(tmp_path):
    rows = [[i, ("None", "mild", "severe")[i % 3]] for i in range(30)]
    with pytest.raises(InputError, match=r"10 of 30 rows have no 'y', the first in line 2: .*, none, null count as"):
        load_dataset(write(tmp_path / "t.csv", rows, header="a,y"), label="y")


def test_one_row_names_its_file(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: 1 example: at least 2"):
        load_dataset(write(tmp_path / "t.csv", [[1, 0]], header="a,y"), label="y")


def test_numbers_are_no_normal_and_strange_examples(tmp_path):
    rows = [[i, i * 0.3] for i in range(30)]
    with pytest.raises(InputError, match="t has numbers as targets: an anomaly detector takes classes"):
        as_dataset(write(tmp_path / "t.csv", rows, header="a,y"), label="y", task="anomaly")
