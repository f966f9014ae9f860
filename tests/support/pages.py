"""The page in real headless Chromium: a phone that notes what went wrong, and a static host."""

import contextlib
import functools
import http.server
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime.serve.web.assets import find_assets
from edgepress.runtime.serve.web.offline import write_static_site

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
needs_runtime = pytest.mark.skipif(
    find_assets() is None, reason="onnxruntime-web is absent: run scripts/browser-assets"
)

# How a hand writes the ten digits: strokes of points, 0 to 1 across and down.
STROKES = json.loads((Path(__file__).parents[1] / "e2e/serve/strokes.json").read_text())
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


class Phone:
    """A page on a phone; it notes what went wrong and whom it asked."""

    def __init__(self, browser, url, wait_for=".panel", **options):
        self.url = url
        self.context = browser.new_context(**{**PHONE, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.problems, self.requests = [], []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script("window.lifted = 0; addEventListener('pointerup', () => window.lifted++)")
        self.touch = self.context.new_cdp_session(self.page)
        self.page.goto(url)
        self.page.wait_for_selector(wait_for)

    def draw(self, digit, left=0.2, width=0.6, top=0.12, height=0.76):
        """Touch the strokes of `digit` into that part of the pad, until the page has seen the last of them."""
        lifted = self.page.evaluate("window.lifted")
        box = self.page.locator("#pad").bounding_box()
        for stroke in STROKES[digit]:
            points = [
                {"x": box["x"] + box["width"] * (left + width * x), "y": box["y"] + box["height"] * (top + height * y)}
                for x, y in stroke
            ]
            self.send("touchStart", [points[0]])
            for point in points[1:]:
                self.send("touchMove", [point])
            self.send("touchEnd", [])
        self.page.wait_for_function("count => window.lifted === count", arg=lifted + len(STROKES[digit]))

    def send(self, kind, points):
        self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def wait_for(self, text):
        """Wait until the page has read `text`, and no newer state of the drawing is with the models."""
        settled = """text => document.getElementById('result').textContent === text
            && document.getElementById('panels').ariaBusy === 'false'"""
        self.page.wait_for_function(settled, arg=text)

    def texts(self, part):
        return self.page.locator(f"[data-part={part}]").all_inner_texts()

    def seen(self):
        """What the page gives the model, as it shows it: uint8 (n, 28, 28)."""
        read = """() => [...document.querySelectorAll('#seen canvas')].map(canvas =>
            [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0))"""
        return np.array(self.page.evaluate(read), np.uint8).reshape(-1, 28, 28)

    def close(self):
        """No console line at all, and no request to another host."""
        self.context.close()
        assert self.problems == []
        assert {url for url in self.requests if not url.startswith((self.url, "blob:"))} == set()
        assert self.requests


class Site(threading.Thread):
    """The static folder on a plain static host."""

    def __init__(self, folder):
        super().__init__(daemon=True)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        self.host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        self.url = f"http://127.0.0.1:{self.host.server_port}/"

    def run(self):
        self.host.serve_forever()

    def stop(self):
        self.host.shutdown()
        self.host.server_close()


@contextlib.contextmanager
def static_site(bundle, folder):
    """The page of a bundle, written into a folder and on a plain static host."""
    site = Site(write_static_site(bundle, folder))
    site.start()
    try:
        yield site
    finally:
        if site.is_alive():
            site.stop()
