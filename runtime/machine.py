"""The machine as `doctor`, reports and studies describe it: one description, whoever asks."""

import math
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from .backends import BACKENDS

__all__ = ["describe_machine", "machine_facts", "usable_cores"]

# What decides which kernels run: x86's, then ARM's.
_FEATURES = (
    "sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8",
    "neon", "vfpv4", "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "sve",
)  # fmt: skip
_PROC, _SYS = Path("/proc"), Path("/sys")
_OPTIONAL = (
    ("pillow", "image", "image files"),
    ("opencv-python-headless", "scan", "photographs and pages with several digits"),
    ("onnx", "toolkit", "the structure of .onnx files"),
    ("tensorflow", "toolkit", "train, export and benchmark"),
)


def describe_machine() -> dict[str, Any]:
    """What does not change in one run: system, processor and its features, cores, memory, Python, packages.

    Returns:
        `cores` is how many this process may use, `machine_cores` how many there are. None stands for what this machine
        does not tell.
    """
    cpu = _cpu_info()
    found = {name: _version(name) for name in ("edgepress", "numpy", *_packages(), "tensorflow")}
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "model": _read(_PROC / "device-tree/model") or None,
        "processor": cpu["name"],
        "features": cpu["features"],
        "cores": usable_cores(),
        "machine_cores": os.cpu_count(),
        "memory_bytes": _total_memory(),
        "python": platform.python_version(),
        "packages": {name: version for name, version in found.items() if version is not None},
    }


def machine_facts() -> dict[str, Any]:
    """`describe_machine`, and what can be used here and what is missing.

    Returns:
        `backends` maps each backend's name to its `formats`, `version` (None where it is not installed) and `missing`,
        the reason with the pip command (None where it can be used); `optional` does so for the other extras' packages.
    """
    return {
        **describe_machine(),
        "backends": {
            backend.name: {
                "formats": list(backend.formats),
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
            for package, extra, purpose in _OPTIONAL
        },
    }


def usable_cores() -> int:
    """How many cores this process may keep busy: those it is bound to, and no more than its control group's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _cgroup_cores()
    return math.ceil(share) if share < bound else bound


def _cgroup_cores() -> float:
    """The processor time that the control group may take in a period, in cores; infinite where nothing limits it."""
    group = _SYS / "fs/cgroup"
    # Version 2 has both in one file, version 1 one in each.
    quota, _, period = (_read(group / "cpu.max") or _joined(group / "cpu")).partition(" ")
    try:
        share = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return share if share > 0 else math.inf


def _joined(folder: Path) -> str:
    return f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"


def _packages() -> list[str]:
    """The backends' packages, each once, in the table's order."""
    return list(dict.fromkeys(backend.package for backend in BACKENDS.values() if backend.native))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\x00\n ")
    except OSError:
        return ""


def _cpu_info() -> dict[str, Any]:
    fields: dict[str, str] = {}
    for line in _read(_PROC / "cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    flags = set((fields.get("flags") or fields.get("features") or "").split())
    name = fields.get("model name") or fields.get("hardware") or fields.get("model") or platform.processor() or None
    return {"name": name, "features": [f for f in _FEATURES if f in flags]}


def _total_memory() -> int | None:
    for line in _read(_PROC / "meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
