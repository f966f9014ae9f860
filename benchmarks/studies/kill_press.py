"""Does a press that is killed again and again end with the model of one that was left alone?

Runs `edgepress press` once without disturbance, then once more, killed (SIGKILL) at random moments and started again
each time, and compares all weights and the digests of all artifacts. Exits with 1 where anything differs.

    python benchmarks/studies/kill_press.py --preset default --kills 20
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edgepress.runtime import Manifest
from edgepress.train import open_keras

_STARTUP = 10.0
"""Seconds that a process needs before it trains, roughly; a life this short gets nowhere."""


def start(run: Path, options: argparse.Namespace) -> "subprocess.Popen[bytes]":
    """Begin a press, or go on with it, in a group of its own."""
    command = [sys.executable, "-m", "edgepress", "press", "--data", options.data, "--preset", options.preset]
    command += ["--seed", str(options.seed), "--out", str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def press_with_kills(run: Path, options: argparse.Namespace, seconds: float) -> int:
    """Press into `run`, killed up to `options.kills` times; how many times it was."""
    rng = random.Random(options.seed)
    useful = max(0.0, seconds - _STARTUP) / (options.kills + 1)
    for kills in range(options.kills):
        process = start(run, options)
        try:
            process.wait(rng.uniform(0, 2 * (_STARTUP + useful)))
            if process.returncode:
                raise SystemExit(f"the press failed with status {process.returncode} after {kills} kills")
            return kills
        except subprocess.TimeoutExpired:
            # The whole group: the benchmark has worker processes.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            print(f"killed {kills + 1} of {options.kills}", file=sys.stderr)
    process = start(run, options)
    if process.wait():
        raise SystemExit(f"the press failed with status {process.returncode} after {options.kills} kills")
    return int(options.kills)


def differences(ours: Path, theirs: Path) -> list[str]:
    """What is not equal in two run folders."""
    found = []
    for name in ("float.keras", "pressed.keras"):
        pairs = zip(open_keras(ours / name).model.weights, open_keras(theirs / name).model.weights, strict=True)
        found += [f"{name}: {a.name}" for a, b in pairs if not np.array_equal(a.numpy(), b.numpy())]
    digests = [{a.file: a.sha256 for a in Manifest.read(run / "bundle").artifacts} for run in (ours, theirs)]
    found += [file for file in digests[0] | digests[1] if digests[0].get(file) != digests[1].get(file)]
    return found


def main() -> None:
    """Press twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        quiet, disturbed = Path(folder) / "quiet", Path(folder) / "disturbed"
        began = time.monotonic()
        if status := start(quiet, options).wait():
            raise SystemExit(f"the press failed with status {status}")
        seconds = time.monotonic() - began
        kills = press_with_kills(disturbed, options, seconds)
        found = differences(disturbed, quiet)
    print(f"{options.preset} press, {kills} kills: {', '.join(found) if found else 'all weights and artifacts equal'}")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
