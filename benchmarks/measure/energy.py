"""Energy from the machine's own counters; where it has none that may be read, there is no figure."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..values import Energy
from .pmic import PmicCounter
from .workers import Worker, WorkerError

__all__ = ["NO_ENERGY", "Counter", "Energies", "measure_energies", "measure_energy"]

_LOG = logging.getLogger("edgepress")
_SECONDS = 1.5

_POWERCAP = Path("/sys/class/powercap")


class Counter:
    """Intel's and AMD's RAPL counters of whole processor packages, as Linux' powercap shows them."""

    def __init__(self, folder: Path = _POWERCAP) -> None:
        # intel-rapl:0 is a package; intel-rapl:0:1 a part of it, already counted there.
        found = sorted(folder.glob("intel-rapl:*")) if folder.is_dir() else []
        self._zones = [zone for zone in found if zone.name.count(":") == 1]
        self.reason: str | None = None
        """Why nothing can be read; None where it can."""
        if not self._zones:
            self.reason = "this machine shows no RAPL energy counter"
            return
        try:
            self.read()
        except OSError as error:
            self.reason = f"the RAPL energy counters may not be read ({error.strerror}): run as root"

    def read(self) -> list[tuple[int, int]]:
        """Microjoules of each package, and where its counter starts over."""
        return [
            (int((zone / "energy_uj").read_text()), int((zone / "max_energy_range_uj").read_text()))
            for zone in self._zones
        ]

    @staticmethod
    def between(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> int:
        """Microjoules that were spent; a counter that started over once is understood."""
        return sum((end - start) % (span + 1) for (start, span), (end, _) in zip(before, after, strict=True))


AnyCounter = Counter | PmicCounter


@dataclass(frozen=True)
class Energies:
    """What was measured, a row each, or why nothing was."""

    rows: list[Energy | None]
    reason: str | None

    def of(self, place: int) -> Energy | None:
        """One row's figures; None where there are none."""
        return self.rows[place] if self.rows else None


NO_ENERGY = Energies([], "this preset does not measure energy")


def measure_energies(subjects: Sequence[dict[str, Any]], examples: Path, counter: AnyCounter | None = None) -> Energies:
    """Energy of one image for every subject, one after the other, each in a fresh process.

    Args:
        subjects: As `Worker` takes them.
        examples: As `Examples.write` wrote them.
        counter: The machine's own by default.
    """
    counter = counter or _own_counter()
    if counter.reason is not None:
        return Energies([], counter.reason)
    rows: list[Energy | None] = []
    for subject in subjects:
        try:
            with Worker(subject, examples) as worker:
                rows.append(measure_energy(counter, partial(_work, worker)))
        except WorkerError as error:
            _LOG.warning("benchmark: %s", error)
            rows.append(None)
    return Energies(rows, None)


def _own_counter() -> AnyCounter:
    """The first of this machine's counters that can be read; the first one's reason stands where none can."""
    counters: list[AnyCounter] = [Counter(), PmicCounter()]
    return next((each for each in counters if each.reason is None), counters[0])


def _work(worker: Worker) -> int:
    images: int = worker.ask("work", seconds=_SECONDS)["images"]
    return images


def measure_energy(
    counter: AnyCounter, work: Callable[[], int], *, sleep: Callable[[float], None] = time.sleep, idle_s: float = 0.5
) -> Energy:
    """Energy of one image: what the packages spent while `work` ran, divided by the images it answers.

    Args:
        counter: One that can be read.
        work: Answers images, at least a second of them, and returns how many.
        sleep: Waits, in seconds.
        idle_s: For how long the idle machine is watched before.

    Returns:
        Whole-package microjoules an image, and above what idling for as long takes.
    """
    start, clock = counter.read(), time.monotonic()
    sleep(idle_s)
    idle_w = Counter.between(start, counter.read()) / (time.monotonic() - clock)
    start, clock = counter.read(), time.monotonic()
    images = work()
    spent, passed = Counter.between(start, counter.read()), time.monotonic() - clock
    return Energy(per_image_uj=spent / images, above_idle_uj=(spent - idle_w * passed) / images)
