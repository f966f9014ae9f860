"""What Arm's compiler for Ethos-U processors says of a file: memory, cycles, and which operators its NPU runs.

Vela compiles a `.tflite` file for an NPU and estimates what a microcontroller with one needs for it (Arm, "Vela
compiler", https://pypi.org/project/ethos-u-vela). No device is asked. It runs in a process of its own.
"""

import csv
import json
import re
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgepress.base.child import run_module
from edgepress.base.files import write_file

__all__ = ["ACCELERATORS", "write_vela_report"]

ACCELERATORS = ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256")
"""One of each generation; each in Vela's own default system."""
_SUFFIX = ".vela.json"
_SECONDS = 600.0
_MEMORIES = ("sram", "dram", "on_chip_flash", "off_chip_flash")


def write_vela_report(artifact: Path) -> Path | None:
    """Write `<model>-int8.vela.json` beside an int8 `.tflite`; None where `ethos-u-vela` is not installed.

    It holds, for each of `ACCELERATORS`, the system and the clock (Hz) that Vela assumes, bytes of each memory,
    operators on the NPU and on the processor beside it, multiply-adds, cycles and milliseconds of one example; or
    `refused`, with its last words.
    """
    if find_spec("ethosu") is None:
        return None
    found = {accelerator: _compiled(artifact, accelerator) for accelerator in ACCELERATORS}
    path = artifact.with_suffix(_SUFFIX)
    about = {
        "file": artifact.name,
        "vela": version("ethos-u-vela"),
        "figures": "estimates of Vela for one example; no device was asked",
    }
    write_file(path, json.dumps(about | {"accelerators": found}, indent=2) + "\n")
    return path


def _compiled(artifact: Path, accelerator: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        done = run_module(
            "ethosu.vela", str(artifact), "--accelerator-config", accelerator, "--output-dir", folder, seconds=_SECONDS
        )
        tables = list(Path(folder).glob("*_summary_*.csv"))
        if not done.ok or not tables:
            return {"refused": done.reason if not done.ok else "it wrote no summary"}
        with open(tables[0], newline="") as file:
            row = next(csv.DictReader(file))
    return {
        "system": row["system_config"],
        "memory_mode": row["memory_mode"],
        "clock_hz": round(float(row["core_clock"])),
        "memory_bytes": {
            name: round(1024 * kibibytes) for name in _MEMORIES if (kibibytes := float(row[f"{name}_memory_used"]))
        },
        "operators": {"npu": _count("NPU", done.stdout), "cpu": _count("CPU", done.stdout)},
        "multiply_adds": int(float(row["nn_macs"])),
        "cycles": int(float(row["cycles_total"])),
        "milliseconds": round(1000 * float(row["inference_time"]), 4),
    }


def _count(who: str, said: str) -> int | None:
    match = re.search(rf"^{who} operators = (\d+)", said, re.MULTILINE)
    return int(match[1]) if match else None
