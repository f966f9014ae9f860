"""What an installation takes on a Raspberry Pi: base and one backend, from the wheels that pip would choose there.

    python -m edgepress.benchmarks.studies.installed_size

Needs the network. Wheels are unpacked for aarch64 and Python 3.11; bytes of all files, without compiled bytecode.
"""

import argparse
import json
import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path

import edgepress
import edgepress.runtime
from edgepress.base.child import run_child
from edgepress.base.errors import CheckFailedError
from edgepress.base.extras import require
from edgepress.base.tables import markdown_table

__all__ = ["measure_installed_size"]

_EXTRAS = {
    "base": None,
    "base + tflite-runtime": "tflite-runtime",
    "base + LiteRT": "litert",
    "base + onnxruntime": "onnx",
    "base + OpenVINO": "openvino",
}
_SECONDS = 600
"""That pip may take."""
_PYTHON = "3.11"
_PLATFORMS = [f"--platform=manylinux{tag}_aarch64" for tag in ("2014", "_2_17", "_2_27", "_2_28", "_2_34", "_2_35")]


def measure_installed_size() -> dict[str, int]:
    """Installed bytes by install, edgepress' own runtime and command line included.

    Backends are taken without their dependencies beside numpy, with which alone they run.
    """
    root = Path(str(edgepress.__file__)).parent
    parts = [root / name for name in ("base", "cli", "runtime")]
    own = sum(file.stat().st_size for part in parts for file in part.rglob("*.py"))
    return {name: own + _installed(_requirements(extra)) for name, extra in _EXTRAS.items()}


def _requirements(extra: str | None) -> list[str]:
    """What edgepress' own metadata asks for on the device: the base install's packages, and the extra's."""
    packaging = require("packaging.requirements", extra="toolkit")
    device = {"python_version": _PYTHON, "platform_machine": "aarch64", "extra": extra or ""}
    parsed = map(packaging.Requirement, requires("edgepress") or ())
    wanted = [item for item in parsed if item.marker is None or item.marker.evaluate(device)]
    # pip without dependencies takes a name once: the extra's numpy<2 and the base install's numpy are one.
    specifiers: dict[str, str] = {}
    for item in wanted:
        specifiers[item.name] = ",".join(filter(None, (specifiers.get(item.name, ""), str(item.specifier))))
    return [name + specifier for name, specifier in specifiers.items()]


def _installed(requirements: list[str]) -> int:
    only = ("--no-deps", "--only-binary=:all:", f"--python-version={_PYTHON}", "--implementation=cp", "--no-compile")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *only, *_PLATFORMS]
        ended = run_child([*command, *requirements], seconds=_SECONDS)
        if not ended.ok:
            raise CheckFailedError(f"pip: {ended.reason}")
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="bytes instead of a Markdown table")
    options = parser.parse_args()
    sizes = measure_installed_size()
    if options.json:
        print(json.dumps(sizes))
        return
    rows = [(name, f"{size / 1e6:.1f}") for name, size in sizes.items()]
    print("\n".join(markdown_table(("installation on aarch64", "MB"), rows, columns="lr")))


if __name__ == "__main__":
    _main()
