"""Whether the machine stayed the same while it measured."""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgepress.runtime import InputError

__all__ = ["changes", "conditions", "patience", "wait_until_idle"]

_LOG = logging.getLogger("edgepress")

_PROC, _SYS = Path("/proc"), Path("/sys")
_HOT_C = 80.0
_OTHERS = 0.25
"""Cores that other programs may keep busy."""
_STOLEN = 0.02


def conditions() -> dict[str, Any]:
    """What may change while measuring. None stands for what this machine does not tell."""
    cores = sorted((_SYS / "devices/system/cpu").glob("cpu[0-9]*"))
    governors = {_read(c / "cpufreq/scaling_governor") for c in cores} - {""}
    frequencies = [int(f) for c in cores if (f := _read(c / "cpufreq/scaling_cur_freq"))]
    zones = (_read(z) for z in sorted((_SYS / "class/thermal").glob("thermal_zone*/temp")))
    temperatures = [int(t) / 1000 for t in zones if t.lstrip("-").isdigit()]
    return {
        "governor": ", ".join(sorted(governors)) or None,
        "frequency_khz": max(frequencies, default=None),
        "temperature_c": max(temperatures, default=None),
        "throttled": _throttled(cores),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "cpu_s": _cpu_seconds(),
        "own_s": sum(os.times()[:4]),
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Why the latencies measured between two `conditions()` are not comparable, in words; empty where they are."""
    found = []
    if before["governor"] != after["governor"]:
        found.append(f"the frequency governor changed from {before['governor']} to {after['governor']}")
    if after["throttled"] is not None and after["throttled"] != before["throttled"]:
        found.append("the processor was throttled")
    if (after["temperature_c"] or 0) >= _HOT_C:
        found.append(f"the processor reached {after['temperature_c']:.0f} C")
    if before["cpu_s"] and after["cpu_s"]:
        total, busy, stolen = (after["cpu_s"][key] - before["cpu_s"][key] for key in ("total", "busy", "stolen"))
        own = after["own_s"] - before["own_s"]
        others = (busy - own) / total * (os.cpu_count() or 1) if total > 0 else 0.0
        if others > _OTHERS:
            found.append(f"other programs kept {others:.1f} of {os.cpu_count()} cores busy")
        if total > 0 and stolen / total > _STOLEN:
            found.append(f"the host took {100 * stolen / total:.0f} % of this virtual machine's time")
    return found


def patience(usual_s: float) -> float:
    """For how long a busy machine is waited for, in seconds: EDGEPRESS_WAIT_S, where that is set.

    Raises:
        InputError: It is no number of seconds.
    """
    stated = os.environ.get("EDGEPRESS_WAIT_S")
    if stated is None:
        return usual_s
    try:
        return max(0.0, float(stated))
    except ValueError:
        raise InputError(f"EDGEPRESS_WAIT_S is {stated!r}: seconds are allowed, 0 not to wait") from None


def wait_until_idle(limit_s: float, *, step_s: float = 1.0, sleep: Callable[[float], None] = time.sleep) -> float:
    """Wait while other programs are at work, and say so once; how long it took, in seconds.

    Args:
        limit_s: At most so long; 0 does not look at all. What is measured then is said to be not comparable.
        step_s: For how long the machine is watched at a time.
        sleep: Waits, in seconds.
    """
    waited = 0.0
    while waited < limit_s:
        before = conditions()
        sleep(step_s)
        busy = [reason for reason in changes(before, conditions()) if "busy" in reason]
        if not busy:
            break
        if not waited:
            _LOG.info("benchmark: %s: waiting up to %.0f s for them", busy[0], limit_s)
        waited += step_s
    return waited


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\x00\n ")
    except OSError:
        return ""


def _cpu_seconds() -> dict[str, float] | None:
    """Since boot, over all cores: in all, at work, and taken by the host of a virtual machine."""
    first = _read(_PROC / "stat").partition("\n")[0].split()
    if len(first) < 9:
        return None
    user, nice, system, idle, waiting, irq, soft_irq, stolen = (int(x) / os.sysconf("SC_CLK_TCK") for x in first[1:9])
    busy = user + nice + system + irq + soft_irq
    return {"total": busy + idle + waiting + stolen, "busy": busy, "stolen": stolen}


def _throttled(cores: list[Path]) -> str | None:
    """A Raspberry Pi's own flags where it has them, else the kernel's count of thermal throttling."""
    firmware = _read(_SYS / "devices/platform/soc/soc:firmware/get_throttled")
    if firmware:
        return firmware
    try:
        done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=5)
        if done.returncode == 0:
            return done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        pass
    counts = [_read(c / "thermal_throttle/core_throttle_count") for c in cores]
    counts = [c for c in counts if c.isdigit()]
    return f"{sum(map(int, counts))} throttle events" if counts else None
