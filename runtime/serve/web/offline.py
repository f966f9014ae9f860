"""The drawing page for any static host: it infers in the browser, and no server is needed."""

import json
import os
import shutil
from pathlib import Path

from edgepress.base.errors import InputError
from edgepress.base.files import new_folder

from ...bundle.manifest import Manifest
from .assets import ASSET_FILES, ASSETS_PATH, require_assets
from .example import example_of
from .words import STATIC, describe_bundle

__all__ = ["write_static_site"]


def write_static_site(bundle: str | os.PathLike[str], out: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the page, onnxruntime-web and the bundle's `.onnx` artifacts as one folder.

    Args:
        bundle: A bundle with at least one `.onnx` artifact.
        out: The folder to make.
        overwrite: Replace what is there.

    Returns:
        `out`.

    Raises:
        InputError: No bundle, no `.onnx` artifact in it, onnxruntime-web is not at hand, or `out` is taken.
    """
    bundle, out = Path(bundle), Path(out)
    manifest = Manifest.read(bundle)
    files = [artifact.file for artifact in manifest.artifacts if artifact.format == "onnx"]
    if not files:
        raise InputError(f"{bundle} has no .onnx artifact, and a browser runs no other: export with --target browser")
    assets = require_assets()
    description = describe_bundle(
        manifest, default=None, browser_runtime=ASSETS_PATH, example=example_of(bundle, manifest)
    )
    with new_folder(out, overwrite=overwrite) as work:
        shutil.copytree(STATIC, work, dirs_exist_ok=True)
        (work / ASSETS_PATH).mkdir()
        for name in ASSET_FILES:
            shutil.copyfile(assets / name, work / ASSETS_PATH / name)
        (work / "artifacts").mkdir()
        for file in files:
            shutil.copyfile(bundle / file, work / "artifacts" / file)
        (work / "bundle.json").write_text(json.dumps(description, allow_nan=False))
    return out
