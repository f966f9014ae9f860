"""Does a press that is killed again and again end with the model of one that was left alone?

Runs `edgepress press` once without disturbance, then once more, killed (SIGKILL, with its worker processes) at random
moments of that run's time and started again each time, and compares all weights and the digests of all artifacts. Exits
with 1 where anything differs. The study itself can be stopped and called again: finished lives are not repeated.

    python benchmarks/studies/kill_press.py --kills 20 --out docs/kill-press.json
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.files import write_file
from edgepress.runtime import Manifest
from edgepress.train import History, open_keras
from edgepress.train.record.environment import describe_environment

_SHARE = 0.9
"""Part of the quiet run's time that the moments lie in: on a machine that is freer later, none comes too late."""
_WORK = re.compile(r"\w+ \d+/\d+: |.*: this run has finished already")
"""An epoch that is over, or a fit that an earlier life has finished."""


class Life:
    """One process of a press, in a group of its own, from its start to its death."""

    def __init__(self, run: Path, options: argparse.Namespace) -> None:
        command = [sys.executable, "-m", "edgepress", "press", "--data", options.data, "--preset", options.preset]
        command += ["--seed", str(options.seed), "--out", str(run)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.last_line = ""
        """The newest line of progress."""
        self._working = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            # TensorFlow writes lines of its own; before the first line of a fit it is still being imported.
            if line.startswith("press: ") or _WORK.match(line):
                self.last_line = line.strip()
            if _WORK.match(line):
                self._working.set()
        self._working.set()

    def seconds(self) -> float:
        """Let it end; the time it took from its first work on."""
        try:
            self._working.wait()
            began = time.monotonic()
            if status := self._process.wait():
                raise SystemExit(f"the press failed with status {status}: {self.last_line}")
            return time.monotonic() - began
        finally:
            self.kill()

    def killed_after(self, seconds: float) -> bool:
        """Kill it when it has worked for so long; False where it ended before."""
        try:
            self._working.wait()
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        finally:
            self.kill()
        if status:
            raise SystemExit(f"the press failed with status {status}: {self.last_line}")
        return False

    def kill(self) -> None:
        """End the whole group, where it is still there: the benchmark has worker processes."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()


def moments(options: argparse.Namespace, seconds: float) -> list[float]:
    """When each life ends, in seconds of the quiet run's time from the end of the life before."""
    rng = random.Random(options.seed)
    ends = sorted(rng.uniform(0, _SHARE * seconds) for _ in range(options.kills))
    return [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]


def differences(ours: Path, theirs: Path) -> list[str]:
    """What is not equal in two run folders."""
    found = []
    for name in ("float.keras", "pressed.keras"):
        pairs = zip(open_keras(ours / name).model.weights, open_keras(theirs / name).model.weights, strict=True)
        found += [f"{name}: {a.name}" for a, b in pairs if not np.array_equal(a.numpy(), b.numpy())]
    digests = [artifact_digests(run) for run in (ours, theirs)]
    found += [file for file in digests[0] | digests[1] if digests[0].get(file) != digests[1].get(file)]
    return found


def artifact_digests(run: Path) -> dict[str, str]:
    """SHA-256 of each exported file."""
    return {a.file: a.sha256 for a in Manifest.read(run / "bundle").artifacts}


def study(options: argparse.Namespace) -> dict[str, Any]:
    """Press twice and compare; what happened, as the record holds it."""
    quiet, disturbed, notes = options.work / "quiet", options.work / "disturbed", options.work / "notes.json"
    done: dict[str, Any] = json.loads(notes.read_text()) if notes.exists() else {"lives": []}
    if "quiet_seconds" not in done:
        shutil.rmtree(quiet, ignore_errors=True)
        done["quiet_seconds"] = round(Life(quiet, options).seconds(), 1)
        write_file(notes, json.dumps(done))
    lives = done["lives"]
    for seconds in moments(options, done["quiet_seconds"])[len(lives) :]:
        life = Life(disturbed, options)
        if not life.killed_after(seconds):
            raise SystemExit(f"the press had ended before kill {len(lives) + 1}: begin again with another --seed")
        lives.append({"worked_seconds": round(seconds, 2), "last_line": life.last_line})
        write_file(notes, json.dumps(done))
        print(f"killed {len(lives)} of {options.kills}: {life.last_line}", file=sys.stderr)
    Life(disturbed, options).seconds()
    history = History.read(quiet / "pressed.keras")
    return {
        "preset": options.preset,
        "seed": options.seed,
        "dataset": history.dataset if history else None,
        "kills": len(lives),
        **done,
        "differences": differences(disturbed, quiet),
        "artifacts": artifact_digests(disturbed),
        "environment": describe_environment(),
    }


def main() -> None:
    """Make the record, and say in a line what it shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/kill-press"), help="both runs, and how far the study is"
    )
    parser.add_argument("--out", type=Path, help="where the record goes, as JSON")
    options = parser.parse_args()
    # A study that is asked to end takes the press that it started with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options.work.mkdir(parents=True, exist_ok=True)
    record = study(options)
    if options.out:
        write_file(options.out, json.dumps(record, indent=2) + "\n")
    found = record["differences"]
    print(
        f"{options.preset} press, {record['kills']} kills: {', '.join(found) or 'all weights and artifacts are equal'}"
    )
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
