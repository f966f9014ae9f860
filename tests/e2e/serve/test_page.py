"""The drawing page in real headless Chromium, at phone size, by touch."""

import base64

import numpy as np
import pytest
from pages import needs_browser, needs_runtime, static_site

from edgepress.runtime import load
from edgepress.runtime.serve.web.offline import write_static_site

pytestmark = needs_browser


@pytest.fixture
def phone(open_phone, server):
    return open_phone(server.url)


def test_ten_digits_drawn_by_touch_are_read_by_both_artifacts(phone, served_bundle):
    with load(served_bundle, variant="float32") as exact, load(served_bundle, variant="int8") as small:
        for digit in "0123456789":
            phone.page.click("#clear")
            phone.draw(digit)
            phone.wait_for(digit)
            assert phone.texts("answer") == [digit, digit]
            seen = phone.seen()
            for model, shown in zip((exact, small), phone.texts("confidence"), strict=True):
                assert shown == f"{model.predict(seen).probabilities.max() * 100:.1f} %"
    assert all("model" in text and "network" in text for text in phone.texts("time"))


def test_several_digits_in_a_row_undo_and_clear(phone):
    for number, digit in enumerate("4271"):
        phone.draw(digit, left=0.03 + 0.24 * number, width=0.18, top=0.35, height=0.3)
    phone.wait_for("4 2 7 1")
    assert len(phone.seen()) == 4
    phone.page.locator("#seen button").first.click()
    assert phone.texts("answer") == ["4", "4"]
    phone.page.click("#undo")
    phone.wait_for("4 2 7")
    phone.page.click("#clear")
    phone.wait_for("")
    assert phone.texts("answer") == ["\N{EN DASH}"] * 2
    assert "Nothing yet" in phone.page.locator("#status").inner_text()


def test_a_digit_drawn_with_the_keyboard_and_what_a_screen_reader_hears(phone):
    page = phone.page
    page.locator("#pad").focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        page.keyboard.press(key)
    phone.wait_for("1")
    assert page.locator("#status").inner_text() == "Read: 1"
    assert page.get_by_role("button", name="Digit 1, read as 1").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("application", name="Drawing surface").count() == 1
    assert page.get_by_role("combobox", name="Artifact").count() == 2
    page.keyboard.press("Escape")
    phone.wait_for("")


def test_a_picture_is_read_on_the_device_as_the_runtime_reads_it(phone, served_bundle, test_digits, tmp_path):
    from PIL import Image

    page = np.full((300, 240), 240, np.uint8)
    page[30:226, 20:216] = 240 - np.kron(test_digits[0][0], np.ones((7, 7), np.uint8)) // 255 * 200
    Image.fromarray(page).save(tmp_path / "scan.png")
    with load(served_bundle) as model:
        expected = model.predict_files(tmp_path / "scan.png").labels[0]
    before = len(phone.requests)
    phone.page.locator("#upload").set_input_files(tmp_path / "scan.png")
    phone.wait_for(expected)
    assert {url.partition("?")[0] for url in phone.requests[before:]} <= {f"{phone.url}v1/predict"} | {
        url for url in phone.requests[before:] if url.startswith("blob:")
    }
    (tmp_path / "broken.png").write_bytes(b"no picture")
    phone.page.locator("#upload").set_input_files(tmp_path / "broken.png")
    phone.page.wait_for_function("() => document.getElementById('status').textContent.includes('no picture')")


def page_of_digits(digits, file):
    from PIL import Image

    page = np.full((300, 620), 235, np.uint8)
    for number, digit in enumerate(digits):
        left = 30 + 190 * number
        page[80:220, left : left + 140] -= np.kron(digit // 2, np.ones((5, 5), np.uint8))
    Image.fromarray(page).save(file)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_with_several_digits_is_read_with_boxes(
    open_phone, server, served_bundle, test_digits, tmp_path, scheme
):
    page_of_digits(test_digits[0][:3], tmp_path / "page.png")
    with load(served_bundle) as model:
        expected, boxes = model.predict_page(tmp_path / "page.png")
        phone = open_phone(server.url, color_scheme=scheme)
        phone.page.locator("#upload-page").set_input_files(tmp_path / "page.png")
        phone.wait_for(" ".join(expected.labels))
        assert np.array_equal(model.predict(phone.seen()).probabilities, expected.probabilities)
    photo = phone.page.locator("#photo")
    shown = photo.bounding_box()
    left, top, right, bottom = boxes[2] * shown["width"] / 620
    photo.tap(position={"x": (left + right) / 2, "y": (top + bottom) / 2})
    assert phone.texts("answer") == [expected.labels[2]] * 2
    phone.page.click("#clear")
    phone.wait_for("")
    assert photo.is_hidden()


def test_below_the_threshold_the_page_says_that_it_is_not_sure(phone, served_bundle, tmp_path):
    from PIL import Image

    chance = np.random.default_rng(0)
    with load(served_bundle, variant="float32") as first, load(served_bundle, variant="int8") as second:
        for _ in range(1000):
            picture = np.kron(chance.integers(0, 2, (4, 4)) * 255, np.ones((20, 20))).astype(np.uint8)
            Image.fromarray(np.pad(255 - picture, 20, constant_values=255)).save(tmp_path / "blot.png")
            answers = [model.predict_files(tmp_path / "blot.png", unknown=True) for model in (first, second)]
            if all(answer.labels[0] == "unknown" for answer in answers):
                break
    phone.page.locator("#upload").set_input_files(tmp_path / "blot.png")
    phone.wait_for("?")
    assert phone.texts("answer") == ["?", "?"]
    for answer, shown in zip(answers, phone.texts("confidence"), strict=True):
        assert shown == f"perhaps {answer.probabilities[0].argmax()}"
    assert phone.page.locator("#status").inner_text() == "Read: unknown"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(open_phone, server, scheme):
    phone = open_phone(server.url, color_scheme=scheme)
    read = "([element, property]) => getComputedStyle(document.querySelector(element))[property]"
    colors = [phone.page.evaluate(read, each) for each in (["#pad", "color"], ["body", "backgroundColor"])]
    light = [sum(map(int, color.strip("rgb()").split(","))) for color in colors]
    assert (light[0] < light[1]) == (scheme == "light")


def test_the_page_asks_for_the_key(open_phone, run_server, served_bundle):
    server = run_server(served_bundle, environment={"EDGEPRESS_API_KEY": "s3cret"})
    phone = open_phone(server.url)
    phone.draw("7")
    phone.page.wait_for_selector("#key-form:not([hidden])")
    phone.page.fill("#key", "s3cret")
    phone.page.click("#key-form button")
    phone.wait_for("7")
    # Chromium itself notes the refused requests.
    phone.problems = [text for text in phone.problems if "401" not in text]


@pytest.fixture
def site(served_bundle, tmp_path):
    with static_site(served_bundle, tmp_path / "site") as site:
        yield site


@needs_runtime
def test_the_browser_infers_without_a_server_and_works_offline(open_phone, site):
    phone = open_phone(site.url)
    phone.draw("3")
    phone.wait_for("3")
    assert all(", browser," in text for text in phone.page.locator("select >> option:checked").all_inner_texts())
    phone.page.evaluate("() => navigator.serviceWorker.ready.then(() => {})")
    phone.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    site.stop()
    phone.page.reload()
    phone.page.wait_for_selector(".panel")
    phone.draw("5")
    phone.wait_for("5")
    # With the host gone the service worker's own tries to reach it fail; that is what it is for.
    phone.problems = [text for text in phone.problems if "ERR_CONNECTION_REFUSED" not in text]


@needs_runtime
@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_outputs_in_the_browser_equal_the_native_ones(open_phone, site, served_bundle, test_digits, variant):
    images = test_digits[0]
    with load(served_bundle / f"digits-{variant}.onnx") as model:
        native = model.raw_outputs(images)
    phone = open_phone(site.url)
    outputs = phone.page.evaluate(
        """async ([pixels, variant]) => {
            const { BrowserEngine } = await import("./engines.js");
            const bundle = await (await fetch("bundle.json")).json();
            const artifact = bundle.artifacts.find((a) => a.variant === variant && a.format === "onnx");
            const bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
            const [{ data }] = await new BrowserEngine(artifact, bundle).run({ pixels: bytes });
            return Array.from(data);
        }""",
        [base64.b64encode(images.tobytes()).decode(), variant],
    )
    browser = np.array(outputs, native.dtype).reshape(native.shape)
    if variant == "int8":
        assert np.array_equal(browser, native)
    else:
        assert np.abs(browser - native).max() <= 1e-4
        assert np.array_equal(browser.argmax(1), native.argmax(1))


def test_a_bundle_without_onnx_or_files_makes_no_site(served_bundle, tmp_path, monkeypatch):
    from edgepress.runtime import InputError

    monkeypatch.setenv("EDGEPRESS_BROWSER_ASSETS", str(tmp_path))
    with pytest.raises(InputError, match="scripts/browser-assets"):
        write_static_site(served_bundle, tmp_path / "site")
    assert not (tmp_path / "site").exists()
