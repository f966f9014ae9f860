"""Energy of a Raspberry Pi 5, from the power chip that feeds its board.

`vcgencmd pmic_read_adc` tells what each rail draws at the moment. Voltages and currents stand in lines of their own,
whose numbers are the converter's channels: rails are paired by name. What has no current sensor (the 5 V input, the
clock's battery) is in no sum, so that this is the board without its losses and without USB.
"""

import re
import subprocess
import threading
import time
from collections.abc import Callable

__all__ = ["PmicCounter", "watts_of"]

_LINE = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=(-?\d+(?:\.\d+)?)[AV]\s*$", re.MULTILINE)
_EVERY_S = 0.1
_SPAN = (1 << 62) - 1
"""Where the count would start over: never."""


def watts_of(text: str) -> float | None:
    """The power of all rails whose current and voltage are told; None where there is none.

    Args:
        text: What `vcgencmd pmic_read_adc` prints.
    """
    values = {(name, unit): float(number) for name, unit, number in _LINE.findall(text)}
    rails = [name for name, unit in values if unit == "A" and (name, "V") in values]
    return sum(values[name, "A"] * values[name, "V"] for name in rails) if rails else None


def _read() -> str:
    try:
        done = subprocess.run(["vcgencmd", "pmic_read_adc"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


class PmicCounter:
    """Counts microjoules as `energy.Counter` does, by reading the power ten times a second.

    Args:
        read: Gives what `vcgencmd pmic_read_adc` prints; the program itself by default.
    """

    def __init__(self, read: Callable[[], str] = _read) -> None:
        self._from = read
        self._spent, self._watts, self._at = 0.0, watts_of(read()), time.monotonic()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.reason = None if self._watts is not None else "this machine has no power chip that vcgencmd reads"
        """Why nothing can be read; None where it can."""

    def read(self) -> list[tuple[int, int]]:
        """Microjoules since the first reading, and where the count starts over."""
        if self._thread is None:
            self._at = time.monotonic()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        self._add()
        with self._lock:
            return [(round(1e6 * self._spent), _SPAN)]

    def _watch(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            self._add()

    def _add(self) -> None:
        """What was spent since the last reading: the mean of both powers for as long."""
        watts = watts_of(self._from())
        with self._lock:
            now = time.monotonic()
            if watts is not None and self._watts is not None:
                self._spent += (now - self._at) * (watts + self._watts) / 2
            self._watts = self._watts if watts is None else watts
            self._at = now
