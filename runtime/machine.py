"""What this machine has: backends and their versions, processor features."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from .backends import BACKENDS

__all__ = ["machine_facts"]

# What decides which int8 kernels run.
_FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "neon",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
    "fphp",
)


def machine_facts() -> dict[str, Any]:
    """Python, processor and backends, as plain values.

    Returns:
        `backends` maps each backend's name to its `format`, `version` (None where it is not installed) and `missing`,
        the reason with the pip command (None where it can be used); `optional` does so for the other extras' packages.
    """
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "features": _features(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory(),
        "numpy": metadata.version("numpy"),
        "backends": {
            backend.name: {
                "format": " .".join(backend.formats),
                "version": _version(backend.package),
                "missing": backend.missing(),
            }
            for backend in BACKENDS.values()
        },
        "optional": {
            package: {
                "for": purpose,
                "version": _version(package),
                "missing": None if _version(package) else f"pip install 'edgepress[{extra}]'",
            }
            for package, extra, purpose in (
                ("pillow", "image", "image files"),
                ("opencv-python-headless", "scan", "photographs and pages with several digits"),
                ("onnx", "toolkit", "the structure of .onnx files"),
                ("tensorflow", "toolkit", "train, export and benchmark"),
            )
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _processor() -> str:
    info = _cpuinfo()
    return info.get("model name") or info.get("Model") or platform.processor() or platform.machine()


def _features() -> list[str]:
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return [feature for feature in _FEATURES if feature in flags]


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
