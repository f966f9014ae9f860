"""The report in a real browser: phone and desktop, light and dark, nothing loaded, no text cut off."""

import json
import os
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from edgepress.benchmarks import write_report

WIDTHS = {"phone": 390, "desktop": 1280}

# Runs in the page: elements whose text is wider than their box or leaves the window, and charts' text outside its box.
PROBE = """
<script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(d => d.open = true);
  const wide = document.documentElement.clientWidth, cut = [];
  const name = e => e.tagName + " " + e.textContent.trim().slice(0, 40);
  for (const e of document.querySelectorAll("body *")) {
    if (e.closest(".scroll") && !e.classList.contains("scroll")) continue;
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest("svg") && e.tagName !== "text") continue;
    if (box.left < -0.5 || box.right > wide + 0.5) cut.push("outside: " + name(e));
    else if (e.tagName === "text") {
      const frame = e.closest("svg").getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1) cut.push("clipped: " + name(e));
      if (box.top < frame.top - 1 || box.bottom > frame.bottom + 1) cut.push("clipped: " + name(e));
    } else if (e.scrollWidth > e.clientWidth + 1 && !e.classList.contains("scroll")) {
      if (getComputedStyle(e).overflowX !== "visible") cut.push("hidden: " + name(e));
    }
  }
  const broken = [...document.images].filter(i => !i.naturalWidth).length;
  parent.postMessage(JSON.stringify({cut, broken, images: document.images.length, wide,
    loaded: performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).map(r => r.name),
    page: document.documentElement.scrollWidth, paper: getComputedStyle(document.body).backgroundColor}), "*");
});
</script>
"""


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs chromium: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def page(compared_report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(compared_report, folder)
    return folder / "report.html"


def browse(chromium, page, width, *, dark, screenshot=None):
    """Open the page and return its DOM; with a screenshot where one is asked for."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-dev-shm-usage", "--hide-scrollbars",
        f"--user-data-dir={page.parent / 'profile'}", "--force-device-scale-factor=1",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=5000",
    ]  # fmt: skip
    if screenshot is not None:
        command += [f"--screenshot={screenshot}", f"--window-size={width},6000", f"file://{page}"]
    else:
        # A window is at least 500 wide: a frame is as narrow as a phone, and reports to the page around it.
        frame = page.with_name("frame.html")
        frame.write_text(
            "<script>addEventListener('message', e => document.title = e.data)</script>"
            f'<iframe src="{page.name}" style="border:0;width:{width}px;height:2000px"></iframe>'
        )
        command += ["--dump-dom", f"--window-size={width + 100},2000", f"file://{frame}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def probe(chromium, page, width, *, dark):
    """What the probe in the page found. A slow browser may dump the page before the probe has spoken: then again."""
    for _ in range(3):
        dom = browse(chromium, page, width, dark=dark)
        if title := dom.partition("<title>")[2].partition("</title>")[0]:
            return json.loads(unescape(title))
    raise AssertionError("the probe said nothing")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_is_cut_off(chromium, page, width, dark, tmp_path):
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    found = probe(chromium, probed, width, dark=dark)
    assert found["cut"] == []
    assert found["page"] <= found["wide"] == width
    assert found["broken"] == 0 < found["images"]
    assert found["loaded"] == []
    assert (found["paper"] == "rgb(255, 255, 255)") != dark


def test_the_probe_can_fail(chromium, page, tmp_path):
    probed = tmp_path / "probed.html"
    spoilt = page.read_text().replace("<h1>", '<h1 style="width: 5000px">')
    probed.write_text(spoilt.replace("</body>", PROBE + "</body>"))
    assert probe(chromium, probed, 1280, dark=False)["cut"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", WIDTHS)
def test_screenshots(chromium, page, name, dark, tmp_path):
    """Pictures for people, kept where EDGEPRESS_SCREENSHOTS says; here they must only show something."""
    from PIL import Image

    folder = Path(os.environ.get("EDGEPRESS_SCREENSHOTS", tmp_path))
    file = folder / f"report-{name}-{'dark' if dark else 'light'}.png"
    browse(chromium, page, WIDTHS[name], dark=dark, screenshot=file)
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("L"))[:, : WIDTHS[name]]
    # A page of the wanted scheme with a good deal of ink on it.
    assert (np.median(pixels) < 64) == dark
    assert 0.01 < np.mean(np.abs(pixels.astype(int) - np.median(pixels)) > 60) < 0.5
