"""Kill exports at random moments: the old bundle or the new one must be there, whole.

    python -m edgepress.benchmarks.studies.kill.export pressed.keras --moments 100 --out docs/kill-export.json

A child process writes two bundles in turn to one place, again and again. It is killed (SIGKILL) at a random moment of
that; then the place must hold one of the two, byte for byte. What it left unfinished beside it, the next one removes. A
study that is stopped goes on after the last moment in its record. Exit status 1 where anything else was found, once.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgepress.base.files import file_sha256, write_file
from edgepress.runtime.machine import describe_machine

__all__ = ["kill_exports"]

_CHILD = """
import sys
from edgepress.data import load_dataset
from edgepress.export import export

model, data, out = sys.argv[1:]
dataset = load_dataset(data)
turn = 0
while True:
    export({"model": model}, dataset, out, variants=["tflite:float32"], seed=turn % 2, overwrite=True)
    print(turn, flush=True)
    turn += 1
"""


def kill_exports(model: Path, data: str, moments: range, seed: int) -> Iterator[dict[str, Any]]:
    """Kill one child for each moment.

    Yields:
        `moment`; `after_s`, seconds from the last finished export to the kill; `found`: `old`, `new`, or `neither` of
        the bundles; `left`, how many unfinished folders lie beside it.

    Raises:
        RuntimeError: An export failed by itself.
    """
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "bundle"
        command = [sys.executable, "-c", _CHILD, str(model), data, str(out)]
        for moment in moments:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
                assert child.stdout is not None
                bundles, duration = [], 0.0
                for _ in range(2):
                    start = time.perf_counter()
                    if not child.stdout.readline():
                        raise RuntimeError(f"moment {moment}: the export failed by itself, status {child.wait()}")
                    # The next turn has begun, in another folder: this one can be read meanwhile.
                    bundles.append(_digest(out))
                    duration = time.perf_counter() - start
                after = random.Random(f"{seed} {moment}").uniform(0, 2 * duration)
                time.sleep(after)
                child.send_signal(signal.SIGKILL)
            named = {bundles[1]: "old", bundles[0]: "new"}
            found = named.get(_digest(out), "neither") if out.is_dir() else "neither"
            yield {
                "moment": moment,
                "after_s": round(after, 3),
                "found": found,
                "left": len(list(out.parent.iterdir())) - out.is_dir(),
            }


def _digest(folder: Path) -> str:
    """Of every file's name and bytes."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return hashlib.sha256("".join(f"{p.relative_to(folder)} {file_sha256(p)}\n" for p in files).encode()).hexdigest()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a Keras file")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("kill-export.json"))
    options = parser.parse_args()
    record = {
        "command": " ".join(["python -m edgepress.benchmarks.studies.kill.export", *sys.argv[1:]]),
        "model_sha256": file_sha256(options.model),
        "seed": options.seed,
    }
    kills: list[dict[str, Any]] = []
    if options.out.exists():
        before = json.loads(options.out.read_text())
        if before["model_sha256"] == record["model_sha256"] and before["seed"] == options.seed:
            kills = before["kills"]
    for kill in kill_exports(options.model, options.data, range(len(kills), options.moments), options.seed):
        kills.append(kill)
        found = Counter(each["found"] for each in kills)
        summary = {"moments": len(kills), "found": dict(found), "most_left": max(each["left"] for each in kills)}
        write_file(
            options.out, json.dumps(record | summary | {"machine": describe_machine(), "kills": kills}, indent=1) + "\n"
        )
        print(kill, file=sys.stderr)
    print(f"{len(kills)} exports killed: {dict(Counter(each['found'] for each in kills))}")
    sys.exit(any(each["found"] == "neither" or each["left"] > 1 for each in kills))


if __name__ == "__main__":
    _main()
