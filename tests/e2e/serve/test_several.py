"""Several bundles behind one server, each under its name."""

import json
import shutil

import numpy as np
import pytest
from kinds import make_kind, wine_rows
from pages import needs_browser
from serving import make_bundle, start_server

from edgepress.runtime import load

JSON = {"content-type": "application/json"}
RAW = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    return {"wine": make_kind(folder / "features", "features"), "digits": make_bundle(folder / "bundle")}


@pytest.fixture(scope="module")
def both(folders, tmp_path_factory):
    """One server: digits under their own name, wine under another."""
    log = tmp_path_factory.mktemp("both")
    server = start_server(f"wine={folders['wine']}", log, arguments=[str(folders["digits"])])
    yield server
    assert server.stop() == 0
    assert not [line for line in server.log() if "traceback" in line]


def test_each_answers_under_its_name(both, folders, test_digits):
    rows, images = wine_rows(3), test_digits[0][:5]
    with load(folders["wine"], "float32") as wine, load(folders["digits"]) as digits:
        expected = wine.predict(rows).labels.tolist(), digits.predict(images).labels.tolist()
    body = json.dumps({"rows": rows})
    assert both.request("POST", "/wine/v1/predict", body, JSON).json["labels"] == expected[0]
    assert both.request("POST", "/digits/v1/predict", images.tobytes(), RAW).json["labels"] == expected[1]
    assert both.request("POST", "/v1/predict", images.tobytes(), RAW).status in (404, 405)
    assert both.request("POST", "/other/v1/predict", images.tobytes(), RAW).status == 404


def test_the_root_lists_them_and_knows_every_model(both, test_digits):
    listed = both.request("GET", "/bundles.json").json["bundles"]
    assert [(each["name"], each["contract"], each["task"]) for each in listed] == [
        ("wine", "features", "multiclass"),
        ("digits", "picture", "multiclass"),
    ]
    for each in listed:
        assert both.request("GET", each["path"]).status == 200
        assert both.request("GET", each["openapi"]).json["servers"] == [{"url": each["path"].rstrip("/")}]
        assert both.request("GET", f"/v2/models/{each['name']}").json["name"] == each["name"]
        assert both.request("GET", f"/{each['name']}/v2/models/{each['name']}/ready").json["ready"]
    image = test_digits[0][:1]
    tensor = {"name": "images", "shape": image.shape, "datatype": "UINT8", "data": image.ravel().tolist()}
    answer = both.request("POST", "/v2/models/digits/infer", json.dumps({"inputs": [tensor]}), JSON)
    assert answer.json["outputs"][0]["data"] == [test_digits[1][0]]
    assert both.request("GET", "/v2/models/digits-int8.onnx").status == 200
    unknown = both.request("GET", "/v2/models/nothing")
    assert (unknown.status, "wine, digits" in unknown.json["error"]) == (404, True)
    assert both.request("GET", "/v2/health/ready").json == {"ready": True}
    assert b"edgepress_images_total" in both.request("GET", "/metrics").body
    nowhere = both.request("GET", "/nowhere")
    assert (nowhere.status, "/bundles.json" in nowhere.json["error"]) == (404, True)


def test_a_new_bundle_is_taken_over_under_the_same_name(folders, run_server, tmp_path):
    first, other = shutil.copytree(folders["wine"], tmp_path / "first"), folders["digits"]
    server = run_server(f"a={first}", arguments=[f"b={other}"])
    rows = json.dumps({"rows": wine_rows(2)})
    before = server.request("POST", "/a/v1/predict", rows, JSON).json
    shutil.rmtree(first)
    make_kind(first, "features", seed=9)
    server.wait_for_log("the new bundle is served")
    assert server.request("POST", "/a/v1/predict", rows, JSON).json["probabilities"] != before["probabilities"]
    assert server.request("GET", "/v2/models/a").status == 200


@pytest.mark.parametrize(
    ("bundles", "words"),
    [
        (["{digits}", "{digits}"], "two bundles are called 'digits'"),
        (["v2={digits}", "{wine}"], "give it another name"),
        (["a/b={digits}", "{wine}"], "give it another name"),
        (["a={digits}", "{wine}", "--artifact", "digits-int8.tflite"], "for several bundles"),
        (["a={digits}", "b=nowhere"], "nowhere"),
    ],
)
def test_names_that_are_no_paths_are_refused(edgepress, folders, bundles, words):
    done = edgepress("serve", *(each.format(**folders) for each in bundles), "--port", "0")
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@needs_browser
def test_the_root_s_page_leads_to_each(open_phone, both, test_digits):
    phone = open_phone(both.url, wait_for=".bundles")
    assert phone.page.locator(".bundles a").all_inner_texts() == ["wine", "digits"]
    phone.page.click("text=wine")
    phone.page.wait_for_selector("[name=alcohol]")
    phone.page.wait_for_function("() => document.getElementById('result').textContent")
    phone.page.goto(f"{both.url}digits/")
    phone.page.wait_for_selector(".panel")
    phone.draw("7")
    phone.wait_for("7")
    assert np.array_equal(phone.seen().shape[1:], (28, 28))
