"""The page of each kind of bundle in real headless Chromium, with a server and without one."""

import json

import numpy as np
import pytest
from kinds import KINDS, MOTION, make_kind, wav, wine_rows
from pages import needs_browser, needs_runtime, static_site
from serving import start_server
from streams import tones_at, tones_bundle

from edgepress.runtime import InputError, load
from edgepress.runtime.encoding import encoder_of

pytestmark = needs_browser
SIZES = {"phone": {}, "desktop": {"viewport": {"width": 1280, "height": 800}, "is_mobile": False, "has_touch": False}}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The folder of each kind's bundle. Not to be changed."""
    folder = tmp_path_factory.mktemp("kinds")
    return {kind: make_kind(folder / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def address_of(kinds, tmp_path_factory):
    """The address of one kind's server, started when it is first asked for."""
    servers = {}

    def address_of(kind):
        if kind not in servers:
            servers[kind] = start_server(kinds[kind], tmp_path_factory.mktemp(kind))
        return servers[kind].url

    yield address_of
    for server in servers.values():
        assert server.stop() == 0


def fill(page, row):
    """Fill the form; the last field makes the page ask."""
    for column, value in row.items():
        field = page.locator(f"[name={column}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option("" if value is None else value)
        else:
            field.fill("" if value is None else str(value))


def settle(phone):
    phone.page.wait_for_function("() => document.getElementById('panels').ariaBusy === 'false'")
    phone.page.wait_for_function("() => !/^(Reading|Nothing)/.test(document.getElementById('status').textContent)")


@pytest.mark.parametrize("size", SIZES)
def test_a_row_is_filled_in_and_answered_as_python_answers_it(open_phone, address_of, kinds, size):
    phone = open_phone(address_of("features"), **SIZES[size])
    assert phone.page.locator("#pad").count() == 0
    phone.page.wait_for_function("() => document.getElementById('result').textContent")
    with load(kinds["features"], "float32") as model:
        for row in wine_rows(3):
            fill(phone.page, row)
            expected = model.predict([row])
            shown = f"{expected.probabilities.max() * 100:.1f} %"
            phone.page.wait_for_function(
                "text => [...document.querySelectorAll('[data-part=confidence]')].every(e => e.textContent === text)",
                arg=shown if expected.probabilities.max() >= 0.4 else f"perhaps {expected.labels[0]}",
            )
    phone.page.fill("[name=alcohol]", "")
    phone.page.wait_for_function("() => document.getElementById('status').textContent === 'Fill in alcohol.'")
    phone.page.click("#example")
    settle(phone)


def test_a_recording_from_a_file_and_one_from_the_microphone(open_phone, address_of, kinds, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "a.wav").write_bytes(wav(rng.uniform(-0.9, 0.9, 1600), 16000))
    with load(kinds["audio"], "float32") as model:
        expected = model.predict_files(tmp_path / "a.wav")
    phone = open_phone(address_of("audio"), permissions=["microphone"])
    phone.page.set_input_files("#upload", tmp_path / "a.wav")
    settle(phone)
    panels = phone.page.locator(".panel")
    # The server's; and where the browser infers too, its own, which resamples by itself.
    for i in range(panels.count()):
        values = panels.nth(i).locator(".bars .value").all_inner_texts()
        shares = np.array([float(value.removesuffix(" %")) / 100 for value in values])
        assert np.allclose(shares, expected.probabilities[0], atol=0.00051 if i == 0 else 0.005)
    assert phone.texts("answer")[0] == (", ".join(expected.labels[0]) or "none")
    phone.page.click("#record")
    phone.page.wait_for_function("() => document.getElementById('status').textContent === 'Listening ...'")
    phone.page.wait_for_function("() => document.getElementById('status').textContent.startsWith('Heard')")
    assert phone.page.inner_text("#record") == "Record"


def test_values_with_units_scores_and_raw_outputs_are_shown(open_phone, address_of, kinds):
    for kind, part in (("signal", "bars"), ("tensor", "answer"), ("raw", "raw"), ("several", "answer")):
        phone = open_phone(address_of(kind))
        inputs = json.loads(phone.page.input_value("#text"))["inputs"]
        assert address_of(kind) + "v1/predict" in phone.page.inner_text("#help")
        phone.page.click("#ask")
        settle(phone)
        with load(kinds[kind], "float32") as model:
            if kind == "several":
                inputs = {name: model.contract.inputs[name].numbers(value) for name, value in inputs.items()}
            expected = model.predict(inputs if kind == "several" else np.array(inputs))
        shown = phone.texts(part)[0]
        if kind == "signal":
            assert [f"{value:.5g}" in shown for value in expected.values[0]] == [True, True]
            assert "m/s" in shown
        elif kind == "tensor":
            assert shown == ("normal" if expected.normal[0] else "not normal")
        elif kind == "raw":
            assert np.allclose(json.loads(shown)["y"], expected.outputs["y"])
        else:
            assert float(shown) == pytest.approx(expected.values[0, 0], rel=1e-4)
        phone.page.fill("#text", "{")
        phone.page.click("#ask")
        phone.page.wait_for_function(
            "() => document.getElementById('status').textContent.startsWith('This is no JSON')"
        )


@pytest.mark.parametrize("size", SIZES)
def test_pictures_that_are_not_drawn_have_no_pad(open_phone, address_of, kinds, tmp_path, size):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    phone = open_phone(address_of("picture"), **SIZES[size])
    assert not phone.page.locator("#pad").is_visible()
    assert phone.page.locator("#camera-button").is_visible() == (size == "phone")
    phone.page.set_input_files("#upload", tmp_path / "a.png")
    settle(phone)
    with load(kinds["picture"], "float32") as model:
        expected = model.predict_files(tmp_path / "a.png")
    assert phone.texts("answer")[0] == expected.labels[0]
    assert phone.texts("confidence")[0] == f"{expected.probabilities.max() * 100:.1f} %"


@needs_runtime
@pytest.mark.parametrize("kind", ["features", "binary", "picture", "signal", "audio", "tensor", "raw"])
def test_without_a_server_the_browser_prepares_and_answers_as_python_does(open_phone, kinds, tmp_path, kind):
    rng = np.random.default_rng(4)
    rows = None
    with load(kinds[kind], "float32") as model:
        contract, spec = model.contract.only, model.artifact.inputs[0]
        if contract.kind == "features":
            rows = wine_rows(5)
            examples = contract.numbers(rows)
        elif contract.kind == "picture":
            examples = rng.integers(0, 256, (5, *contract.shape), np.uint8)
        else:
            examples = rng.normal(0, 3, (5, *contract.shape))
            if contract.kind == "audio":
                examples = (examples / 20).clip(-1, 1).astype(np.float32)
        encoder = encoder_of(spec, contract)
        tensor = encoder.encode(encoder.rows(examples)).copy()
        expected = model.predict(examples)
        given = [model.predict(example[None]).rows()[0] for example in examples]
    with static_site(kinds[kind], tmp_path / "site") as site:
        phone = open_phone(site.url)
        answer = phone.page.evaluate(
            """async ([rows, numbers, isPicture]) => {
                const { BrowserEngine, onlyInput } = await import("./engines.js");
                const { encodeNumbers, encodePixels } = await import("./tensors.js");
                const { rowNumbers } = await import("./features.js");
                const bundle = await (await fetch("bundle.json")).json(), contract = onlyInput(bundle);
                const given = rows ? rows.flatMap((row) => rowNumbers(row, contract)) : numbers;
                const request = isPicture ? { pixels: Uint8Array.from(given) } : { numbers: Float64Array.from(given) };
                const spec = bundle.artifacts[0].inputs[0];
                const tensor = isPicture ? encodePixels(request.pixels, bundle.preprocessing, spec)
                    : encodeNumbers(request.numbers, contract, spec);
                const { rows: answers } = await new BrowserEngine(bundle.artifacts[0], bundle).predict(request);
                return { tensor: Array.from(tensor), answers };
            }""",
            [rows, examples.ravel().tolist(), contract.kind == "picture"],
        )
    assert np.array_equal(np.array(answer["tensor"], tensor.dtype), tensor.ravel())
    if kind == "raw":
        assert np.allclose(answer["answers"][0]["outputs"]["y"], expected.outputs["y"], rtol=1e-6, atol=1e-6)
        return
    for shown, row in zip(answer["answers"], given, strict=True):
        for name in set(shown) & set(row):
            if name in ("probabilities", "score"):
                # The browser adds up without fused products; of raw pixels its logits, some hundred, show it.
                most = 1e-5 if kind == "picture" else 1e-6
                assert np.allclose(shown[name], row[name], rtol=most, atol=most)
            elif name == "values":
                assert list(shown[name]) == list(row[name])
                assert np.allclose(list(shown[name].values()), list(row[name].values()), rtol=1e-6, atol=1e-6)
            else:
                assert shown[name] == row[name]


@needs_runtime
def test_without_a_server_several_inputs_are_answered_as_python_does(open_phone, kinds, tmp_path):
    left = np.random.default_rng(4).normal(0, 3, (3, 4))
    rows = [row | {"sweet": "?" if i == 1 else row["sweet"]} for i, row in enumerate(wine_rows(3))]
    good = [row for row in rows if row["sweet"] != "?"]
    with static_site(kinds["several"], tmp_path / "site") as site:
        phone = open_phone(site.url)
        phone.page.click("#ask")
        settle(phone)
        with load(kinds["several"], "float32") as model:
            example = json.loads(phone.page.input_value("#text"))["inputs"]
            first = model.predict({name: model.contract.inputs[name].numbers(each) for name, each in example.items()})
            assert float(phone.texts("answer")[0]) == pytest.approx(first.values[0, 0], rel=1e-4)
            expected = model.predict({"left": left[:2], "right": good})
        phone.page.fill("#text", json.dumps({"inputs": {"left": left[:2].tolist(), "right": good}}))
        answers = phone.page.evaluate(
            """async (text) => {
                const { BrowserEngine } = await import("./engines.js");
                const { JsonPage } = await import("./json.js");
                const bundle = await (await fetch("bundle.json")).json();
                const request = JsonPage.prototype.request.call({ asked: true, bundle });
                return (await new BrowserEngine(bundle.artifacts[0], bundle).predict(request)).rows;
            }"""
        )
        assert np.allclose([row["values"]["sum"] for row in answers], expected.values[:, 0], rtol=1e-6, atol=1e-6)
        for given, words in (
            ({"left": left.tolist(), "right": rows}, 'sweet is "?": one of no, yes is allowed.'),
            ({"left": left.tolist(), "right": good}, "The inputs hold 3, 2 examples"),
            ({"left": left[:, :3].tolist(), "right": good}, "left: 9 numbers: send a multiple of 4"),
            ({"left": left.tolist()}, "right: 0 numbers"),
        ):
            phone.page.fill("#text", json.dumps({"inputs": given}))
            phone.page.click("#ask")
            wait = "text => document.querySelector('[data-part=problem]').textContent.includes(text)"
            phone.page.wait_for_function(wait, arg=words)


@needs_runtime
def test_without_a_server_infinity_is_no_answer(open_phone, kinds, tmp_path):
    with load(kinds["raw"], "float32") as model:
        weights = model.run(np.eye(4, dtype=np.float32))
        given = np.where(weights[:, :1].T > 0, 3e38, -3e38)
        with pytest.raises(InputError, match="NaN or infinity"):
            model.predict(given)
    with static_site(kinds["raw"], tmp_path / "site") as site:
        phone = open_phone(site.url)
        phone.page.fill("#text", json.dumps({"inputs": given.tolist()}))
        phone.page.click("#ask")
        wait = "() => document.querySelector('[data-part=problem]').textContent.includes('gives NaN or infinity')"
        phone.page.wait_for_function(wait)


@needs_runtime
def test_without_a_server_a_form_is_answered_too(open_phone, kinds, tmp_path):
    with static_site(kinds["features"], tmp_path / "site") as site:
        phone = open_phone(site.url)
        row = wine_rows(1)[0]
        fill(phone.page, row)
        settle(phone)
        with load(kinds["features"], "float32") as model:
            expected = model.predict([row])
        assert phone.texts("confidence") == [f"{expected.probabilities.max() * 100:.1f} %"]


@needs_runtime
def test_without_a_server_a_recording_is_answered_in_the_browser(open_phone, kinds, tmp_path):
    rng = np.random.default_rng(0)
    with static_site(kinds["audio"], tmp_path / "site") as site:
        phone = open_phone(site.url)
        for name, count in (("short", 300), ("long", 2000)):
            (tmp_path / f"{name}.wav").write_bytes(wav(rng.uniform(-0.9, 0.9, count), 8000))
            phone.page.set_input_files("#upload", tmp_path / f"{name}.wav")
            settle(phone)
            with load(kinds["audio"], "float32") as model:
                expected = model.predict_files(tmp_path / f"{name}.wav")
            values = phone.page.locator(".bars .value").all_inner_texts()
            assert values == [f"{share * 100:.1f} %" for share in expected.probabilities[0]]
        (tmp_path / "text.wav").write_text("no sound")
        phone.page.set_input_files("#upload", tmp_path / "text.wav")
        phone.page.wait_for_function("() => document.querySelector('[data-part=problem]').textContent.includes('WAV')")


def test_the_microphone_hears_what_is_played_to_it(open_hearing, tmp_path, run_server):
    bundle = tones_bundle(tmp_path / "bundle")
    server = run_server(bundle)
    (tmp_path / "tone.wav").write_bytes(wav(tones_at([(0.4, "middle"), (1.4, "middle")], 2, length=0.3), 8000))
    phone = open_hearing(tmp_path / "tone.wav", server.url)
    phone.page.click("#record")
    phone.page.wait_for_function("() => document.getElementById('status').textContent.startsWith('Heard')")
    assert phone.page.inner_text("#result") == "middle"
    # Its waveform is there: some pixels of the chart are in the line's colour away from its middle.
    drawn = phone.page.evaluate("""() => {
        const canvas = document.getElementById("chart");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, Math.floor(canvas.height * 0.4));
        return data.some((value, i) => i % 4 === 3 && value > 0);
    }""")
    assert drawn


def test_the_phone_s_own_sensor_fills_a_window(open_phone, address_of, kinds):
    phone = open_phone(address_of("signal"))
    phone.page.click("#motion")
    phone.page.wait_for_function("() => document.getElementById('status').textContent === 'Move the phone ...'")
    phone.page.evaluate("""async () => {
        for (let i = 0; i < 60 && document.getElementById("motion").disabled; i++) {
            const accelerationIncludingGravity = { x: Math.sin(i), y: 1, z: 9.8 };
            dispatchEvent(new DeviceMotionEvent("devicemotion", { accelerationIncludingGravity, interval: 16 }));
            await new Promise((resolve) => setTimeout(resolve, 16));
        }
    }""")
    phone.page.wait_for_function("() => document.getElementById('status').textContent.startsWith('Answer')")
    settle(phone)
    inputs = np.array(json.loads(phone.page.input_value("#text"))["inputs"])
    assert inputs.shape == (1, *MOTION.shape)
    assert np.allclose(inputs[0, :, 1:], [1, 9.8])
    with load(kinds["signal"], "float32") as model:
        expected = model.predict(inputs)
    assert all(f"{value:.5g}" in phone.texts("bars")[0] for value in expected.values[0])
