"""Each kind's page for people who see little, or use no pointer: axe-core in light and dark, and the keyboard alone."""

import numpy as np
import pytest
from kinds import KINDS, make_kind
from pages import needs_browser
from serving import make_bundle, start_server
from streams import tones_bundle

pytestmark = needs_browser
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

PAGES = (*KINDS, "sounds", "digits")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP = {"viewport": {"width": 1280, "height": 800}, "is_mobile": False, "has_touch": False}
CONTROLS = "button, input, select, textarea, summary, a[href], [tabindex]"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of one server with a bundle of every kind, each under its name."""
    folder = tmp_path_factory.mktemp("every")
    bundles = {kind: make_kind(folder / kind, kind) for kind in KINDS}
    bundles |= {"sounds": tones_bundle(folder / "sounds"), "digits": make_bundle(folder / "digits")}
    first, *others = (f"{name}={bundle}" for name, bundle in bundles.items())
    server = start_server(first, folder / "log", arguments=others)
    yield server.url
    assert server.stop() == 0


def violations(page):
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response
    # What is not checked passes: some forty rules have something to say about any of the pages.
    assert len(found["passes"]) > 20
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]


def reach_every_control(page):
    """Press Tab until every control had the focus, and showed it."""
    page.evaluate(
        """controls => document.querySelectorAll(controls).forEach((each, i) => {
            // What is hidden, or for the hand alone, needs no key.
            if (each.checkVisibility() && each.tabIndex >= 0) each.dataset.number = i;
        })""",
        CONTROLS,
    )
    wanted = set(page.locator("[data-number]").evaluate_all("all => all.map(each => each.dataset.number)"))
    reached = set()
    for _ in range(len(wanted) + 3):
        page.keyboard.press("Tab")
        number, ring = page.evaluate(
            """() => {
                const at = document.activeElement, shown = at.closest(".button") ?? at;
                return [at.dataset.number ?? null, getComputedStyle(shown).outlineStyle];
            }"""
        )
        if number is not None:
            assert ring != "none"
            reached.add(number)
    assert reached == wanted
    assert len(wanted) >= 3


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_the_keyboard_reaches_all(open_phone, address, name):
    phone = open_phone(f"{address}{name}/", **(DESKTOP if name in ("features", "picture", "digits") else {}))
    if phone.page.locator("#ask").count():
        phone.page.click("#ask")
        phone.page.wait_for_function("() => !document.getElementById('status').textContent.startsWith('Nothing')")
    for scheme in ("light", "dark"):
        phone.page.emulate_media(color_scheme=scheme)
        assert violations(phone.page) == []
    reach_every_control(phone.page)


def test_axe_finds_nothing_in_the_list_of_bundles_and_does_find_what_is_wrong(open_phone, address):
    phone = open_phone(address, wait_for=".bundles")
    assert violations(phone.page) == []
    phone = open_phone(f"{address}features/")
    phone.page.evaluate("() => document.querySelector('.fields label').replaceWith(document.createElement('input'))")
    assert [name for name, _ in violations(phone.page)] == ["label"]


def test_a_row_is_changed_and_json_is_asked_with_keys_alone(open_phone, address):
    phone = open_phone(f"{address}features/", **DESKTOP)
    phone.page.focus("[name=alcohol]")
    before = phone.page.inner_text(".bars")
    phone.page.keyboard.press("Control+A")
    phone.page.keyboard.type("19")
    phone.page.wait_for_function("before => document.querySelector('.bars').innerText !== before", arg=before)
    phone = open_phone(f"{address}tensor/", **DESKTOP)
    phone.page.focus("#ask")
    phone.page.keyboard.press("Enter")
    phone.page.wait_for_function("() => /^Answer: (not )?normal$/.test(document.getElementById('status').textContent)")
    assert np.isfinite(float(phone.page.locator(".bars .value").first.inner_text()))
