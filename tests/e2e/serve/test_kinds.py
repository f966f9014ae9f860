"""Bundles of every kind of contract and task, as a server's clients see them: always what `Model.predict` gives."""

import csv
import gzip
import io
import json

import numpy as np
import pytest
from kinds import COLOURS, KINDS, MOTION, SOUND, make_kind, wav, wine_rows
from serving import start_server

from edgepress.runtime import load

JSON, RAW = "application/json", "application/octet-stream"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The folder of each kind's bundle. Not to be changed."""
    folder = tmp_path_factory.mktemp("kinds")
    return {kind: make_kind(folder / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def server_of(kinds, tmp_path_factory):
    """The server of one kind's bundle, started when it is first asked for."""
    servers = {}

    def server_of(kind):
        if kind not in servers:
            servers[kind] = start_server(kinds[kind], tmp_path_factory.mktemp(kind))
        return servers[kind]

    yield server_of
    for server in servers.values():
        assert server.stop() == 0
        assert not [line for line in server.log() if "traceback" in line]


@pytest.fixture
def ask(server_of):
    """Ask the server of one kind's bundle."""

    def ask(kind, body, content_type=JSON, path="/v1/predict", **headers):
        body = json.dumps(body).encode() if content_type == JSON and not isinstance(body, bytes) else body
        return server_of(kind).request("POST", path, body, {"content-type": content_type, **headers})

    return ask


def form(*files):
    parts = [
        b'--edge\r\ncontent-disposition: form-data; name="files"; filename="x"\r\n\r\n' + file + b"\r\n"
        for file in files
    ]
    return b"".join((*parts, b"--edge--\r\n")), "multipart/form-data; boundary=edge"


def table(rows):
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def floats(values):
    return np.array(values, np.float32)


def test_rows_by_column_name_arrays_tables_and_raw_numbers_give_the_same_classes(ask, kinds):
    rows = wine_rows(7)
    with load(kinds["features"], "float32") as model:
        expected = model.predict(rows)
        numbers = model.contract.only.numbers(rows)
        rough = model.predict(numbers.astype(np.float32))
    bodies = [({"rows": rows}, JSON), ({"inputs": numbers.tolist()}, JSON), (table(rows), "text/csv; charset=utf-8")]
    for body, kind in [*bodies, form(table(rows[:3]), table(rows[3:]))]:
        answer = ask("features", body, kind)
        assert answer.status == 200, answer.body
        assert answer.json["labels"] == expected.labels.tolist()
        assert np.array_equal(floats(answer.json["probabilities"]), expected.probabilities)
    raw = ask("features", numbers.astype("<f4").tobytes(), RAW, accept=RAW)
    assert np.array_equal(np.frombuffer(raw.body, "<f4").reshape(-1, 3), rough.probabilities)
    many = ask("features", {"rows": rows * 1000})
    assert many.json["labels"] == expected.labels.tolist() * 1000
    known = ask("features", {"rows": rows}, path="/v1/predict?unknown=true").json["labels"]
    with load(kinds["features"], "float32") as model:
        assert known == model.predict(rows, unknown=True).labels.tolist()


def test_two_classes_of_one_number(ask, kinds):
    with load(kinds["binary"], "float32") as model:
        expected = model.predict(wine_rows(5))
    answer = ask("binary", {"rows": wine_rows(5)})
    assert answer.json["labels"] == expected.labels.tolist()
    assert np.array_equal(floats(answer.json["probabilities"]), expected.probabilities)


def test_signals_give_values_with_units(ask, kinds):
    windows = np.random.default_rng(0).normal(0, 3, (3, *MOTION.shape)).astype(np.float32)
    with load(kinds["signal"], "float32") as model:
        expected = model.predict(windows)
    for body, kind in [({"inputs": windows.tolist()}, JSON), (windows.tobytes(), RAW)]:
        answer = ask("signal", body, kind).json
        assert answer["units"] == {"speed": "m/s", "height": "m"}
        assert np.array_equal(floats([[row["speed"], row["height"]] for row in answer["values"]]), expected.values)
    one = ask("signal", {"inputs": windows[0].tolist()}).json
    assert len(one["values"]) == 1


def test_recordings_give_label_sets(ask, kinds):
    rng = np.random.default_rng(0)
    files = [wav(rng.uniform(-0.9, 0.9, count), rate) for count, rate in ((800, 8000), (300, 8000), (1600, 16000))]
    with load(kinds["audio"], "float32") as model:
        expected = model.predict_files(files)
    body, kind = form(*files)
    answer = ask("audio", body, kind)
    assert answer.status == 200, answer.body
    assert answer.json["labels"] == [list(names) for names in expected.labels]
    assert np.array_equal(floats(answer.json["probabilities"]), expected.probabilities)
    assert ask("audio", files[2], "audio/wav").json["probabilities"] == answer.json["probabilities"][2:]
    samples = rng.uniform(-1, 1, (2, SOUND.samples)).astype(np.float32)
    with load(kinds["audio"], "float32") as model:
        raw = model.predict(samples).probabilities
    for body, kind in [({"inputs": samples.tolist()}, JSON), (samples.tobytes(), RAW)]:
        assert np.array_equal(floats(ask("audio", body, kind).json["probabilities"]), raw)


def test_tensors_give_scores_and_whether_they_are_normal(ask, kinds):
    arrays = np.random.default_rng(0).normal(0, 1, (9, 6)).astype(np.float32)
    with load(kinds["tensor"], "float32") as model:
        expected = model.predict(arrays)
    answer = ask("tensor", {"inputs": arrays.tolist()}).json
    assert np.array_equal(floats(answer["scores"]), expected.scores)
    assert (answer["normal"], answer["threshold"]) == (expected.normal.tolist(), 0.5)
    raw = ask("tensor", arrays.tobytes(), RAW, accept=RAW)
    assert np.array_equal(np.frombuffer(raw.body, "<f4"), expected.scores)


def test_raw_models_and_several_inputs(ask, kinds):
    arrays = np.random.default_rng(0).normal(0, 1, (2, 4)).astype(np.float32)
    with load(kinds["raw"], "float32") as model:
        expected = model.predict(arrays).outputs["y"]
    assert np.array_equal(floats(ask("raw", {"inputs": arrays.tolist()}).json["outputs"]["y"]), expected)
    with load(kinds["several"], "float32") as model:
        right = model.contract.inputs["right"].numbers(wine_rows(2))
        expected = model.predict({"left": arrays, "right": right}).values
    answer = ask("several", {"inputs": {"left": arrays.tolist(), "right": right.tolist()}})
    assert answer.body == ask("several", {"inputs": {"left": arrays.tolist(), "right": wine_rows(2)}}).body
    assert np.array_equal(floats([[row["sum"]] for row in answer.json["values"]]), expected)
    uneven = ask("several", {"inputs": {"left": arrays.tolist(), "right": right[:1].tolist()}})
    assert (uneven.status, "different numbers" in uneven.json["error"]) == (422, True)


def test_pictures_of_any_fit_and_normalization(ask, kinds):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(file, "PNG")
    with load(kinds["picture"], "float32") as model:
        expected = model.predict_files(file.getvalue())
    answer = ask("picture", file.getvalue(), "image/png").json
    assert np.array_equal(floats(answer["probabilities"]), expected.probabilities)


def finite(kind):
    """Rows of what a kind's contract takes, as a server would have them sent: by tensor name."""
    contract = KINDS[kind][0]
    rng = np.random.default_rng(3)
    found = {}
    for name, each in (contract if isinstance(contract, dict) else {"x": contract}).items():
        values = rng.uniform(0, 1, (3, *each.shape)).astype(np.float32)
        found[name] = rng.integers(0, 256, (3, *each.shape), np.uint8) if each.kind == "picture" else values
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_open_inference_protocol_speaks_of_contract_and_task(server_of, kinds, kind):
    with load(kinds[kind], "float32") as model:
        given = finite(kind)
        expected = model.predict(given if len(given) > 1 else given["x"])
    server = server_of(kind)
    described = server.request("GET", f"/v2/models/{kind}").json
    named = zip(described["inputs"], given.values(), strict=True)
    inputs = [
        {"name": spec["name"], "datatype": spec["datatype"], "shape": list(array.shape), "data": array.ravel().tolist()}
        for spec, array in named
    ]
    answer = server.request("POST", f"/v2/models/{kind}/infer", json.dumps({"inputs": inputs}), {"content-type": JSON})
    assert answer.status == 200, answer.body
    outputs = {each["name"]: each for each in answer.json["outputs"]}
    assert list(outputs) == [each["name"] for each in described["outputs"]]
    for each in described["outputs"]:
        assert outputs[each["name"]]["datatype"] == each["datatype"]
        shape = outputs[each["name"]]["shape"]
        assert len(shape) == len(each["shape"])
        assert all(w in (-1, n) for n, w in zip(shape, each["shape"], strict=True))
    numbers = next(name for name in ("probabilities", "values", "scores", "y") if name in outputs)
    wanted = expected.outputs["y"] if kind == "raw" else getattr(expected, numbers)
    assert np.array_equal(floats(outputs[numbers]["data"]), wanted.ravel())
    if "chosen" in outputs:
        names = KINDS[kind][1].labels
        assert [name in row for row in expected.labels for name in names] == outputs["chosen"]["data"]


NAN = np.full(800, np.nan, np.float32).tobytes()


@pytest.mark.parametrize(
    ("kind", "body", "content_type", "status", "words"),
    [
        ("features", {"rows": []}, JSON, 422, "list of objects"),
        ("features", {"rows": [{"alcohol": 13}, 3]}, JSON, 422, "list of objects"),
        ("features", {"rows": [{"alcohol": "x", "colour": "red", "sweet": "no"}]}, JSON, 422, "a number is allowed"),
        ("features", {"rows": [{"alcohol": "nan", "colour": "red", "sweet": "no"}]}, JSON, 422, "no value"),
        ("features", {"rows": [{"alcohol": "inf", "colour": "red", "sweet": "no"}]}, JSON, 422, "finite"),
        ("features", {"rows": [{"alcohol": 1e39, "colour": "red", "sweet": "no"}]}, JSON, 422, "float32"),
        ("features", {"rows": [{"alcohol": 13, "colour": "blue", "sweet": "no"}]}, JSON, 422, "red, white"),
        ("features", {"rows": [{"alcohol": 13, "color": "red", "sweet": "no"}]}, JSON, 422, "color"),
        ("features", {"rows": [{"alcohol": [1], "colour": "red", "sweet": "no"}]}, JSON, 422, "number"),
        ("features", {"inputs": [{"alcohol": 13}]}, JSON, 422, "no list of numbers"),
        ("features", {"inputs": [[1, 2]]}, JSON, 422, "shape"),
        ("features", {"images": [[1]]}, JSON, 422, "rows or inputs"),
        ("features", b"", "text/csv", 422, "empty"),
        ("features", b"\xff\xfe", "text/csv", 422, "UTF-8"),
        ("features", b"alcohol,colour\n13", "text/csv", 422, "line 2"),
        ("features", b"x", "image/png", 415, "text/csv"),
        ("features", NAN[:28], RAW, 422, "finite"),
        ("features", NAN[:27], RAW, 422, "multiple of 28"),
        ("audio", NAN[:30], RAW, 422, "multiple of 3200"),
        ("audio", NAN * 4, RAW, 422, "finite"),
        ("audio", {"inputs": [[5.0] * 800]}, JSON, 422, "between -1 and 1"),
        ("audio", {"inputs": [[0.5], [0.5, 0.5]]}, JSON, 422, "ragged"),
        ("audio", b"RIFF", "audio/wav", 422, "WAV or FLAC"),
        ("audio", wav([]), "audio/wav", 422, "no sound"),
        ("audio", wav(np.zeros(40)).replace(b"data", b"dat_"), "audio/wav", 422, ""),
        ("signal", {"inputs": [[["a"] * 3] * 20]}, JSON, 422, "numbers are allowed"),
        ("signal", {"inputs": [[[1, 2], [3]]]}, JSON, 422, "ragged"),
        ("signal", {"inputs": 3}, JSON, 422, "lists of the shape"),
        ("several", {"inputs": {"left": [[1, 2, 3, 4]]}}, JSON, 422, "left, right"),
        ("several", b"12", RAW, 415, JSON),
        ("tensor", b'{"inputs": [NaN]}', JSON, 400, "no JSON"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_mend(ask, kind, body, content_type, status, words):
    answer = ask(kind, body, content_type)
    assert answer.status == status, answer.body
    assert words in answer.json["error"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["features", "signal", "audio", "tensor"])
def test_binary_tensors_of_no_finite_numbers_are_refused(server_of, kind, value):
    server = server_of(kind)
    (spec,) = server.request("GET", f"/v2/models/{kind}").json["inputs"]
    array = np.full((1, *spec["shape"][1:]), value, "<f4")
    tensor = {"name": spec["name"], "datatype": "FP32", "shape": array.shape}
    header = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": array.nbytes}}]}).encode()
    headers = {"content-type": RAW, "inference-header-content-length": str(len(header))}
    answer = server.request("POST", f"/v2/models/{kind}/infer", header + array.tobytes(), headers)
    assert (answer.status, "finite" in answer.json["error"]) == (422, True)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("picture", "/v1/predict"),
        ("features", "/v1/predict"),
        ("audio", "/v2/models/audio/infer"),
        ("audio", "/v1/stream"),
    ],
)
def test_a_compressed_body_is_never_taken_for_what_it_holds(ask, kind, path):
    # As many bytes as one picture has, so that they could pass for pixels.
    body = gzip.compress(b"") + bytes(COLOURS.size - len(gzip.compress(b"")))
    answer = ask(kind, body, RAW, path, **{"content-encoding": "gzip"})
    assert (answer.status, "uncompressed" in answer.json["error"]) == (415, True)
    if kind == "picture":
        assert ask(kind, body, RAW, path, **{"content-encoding": "identity"}).status == 200


def test_a_recording_that_unfolds_to_too_much_is_refused_by_what_it_claims(ask):
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(6_000_000, np.float32), 8000, format="FLAC", subtype="PCM_16")
    assert len(file.getvalue()) < 200_000
    answer = ask("audio", file.getvalue(), "audio/flac")
    assert (answer.status, "6000000 samples" in answer.json["error"]) == (422, True)


def test_more_examples_than_a_request_may_ask_about_are_refused(ask):
    answer = ask("tensor", bytes(4 * 6 * 65_537), RAW)
    assert (answer.status, "65537 examples" in answer.json["error"]) == (422, True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_description_s_own_examples_are_answered(server_of, kind):
    server = server_of(kind)
    operations = server.request("GET", "/openapi.json").json["paths"]
    asked = 0
    for path in ("/v1/predict", "/v2/models/{name}/infer"):
        for content_type, described in operations[path]["post"]["requestBody"]["content"].items():
            if "example" not in described:
                continue
            body = described["example"]
            body = body if isinstance(body, str) else json.dumps(body)
            answer = server.request("POST", path.format(name=kind), body.encode(), {"content-type": content_type})
            assert answer.status == 200, answer.body
            asked += 1
    assert asked
