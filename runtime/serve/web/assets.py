"""onnxruntime-web runs `.onnx` artifacts in the browser; `scripts/browser-assets` fetches its files (14 MB)."""

import os
from pathlib import Path

from edgepress.base.errors import InputError

__all__ = ["ASSETS_PATH", "ASSETS_VARIABLE", "ASSET_FILES", "find_assets", "require_assets"]

ASSETS_VARIABLE = "EDGEPRESS_BROWSER_ASSETS"
ASSETS_PATH = "ort/"
"""Where the page finds them, relative to itself."""
ASSET_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


def find_assets() -> Path | None:
    """The folder that holds onnxruntime-web's files: named by the variable, or where the script puts them."""
    named = os.environ.get(ASSETS_VARIABLE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(named) if named else cache / "edgepress" / "onnxruntime-web"
    return folder if all((folder / name).is_file() for name in ASSET_FILES) else None


def require_assets() -> Path:
    """The same, or an InputError that says how to get them."""
    if (folder := find_assets()) is None:
        raise InputError("onnxruntime-web is not at hand: run  scripts/browser-assets  once, where npm is installed")
    return folder
