"""Kill exports at random moments: the old bundle or the new one must be there, whole.

    python benchmarks/studies/kill_export.py model.keras --moments 100 --seed 0

A child process writes two bundles in turn to one place, again and again. It is killed (SIGKILL) at a random moment of
that; then the place must hold one of the two, byte for byte. Exit status 1 where it does not, once.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
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


def digest(folder: Path) -> str:
    """Of every file's name and bytes."""
    found = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(f"{file.relative_to(folder)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def kill_exports(model: Path, data: str, moments: int, seed: int) -> list[str]:
    """Kill `moments` children; what went wrong, one line each (none is well)."""
    moment = random.Random(seed)
    problems = []
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "bundle"
        for number in range(moments):
            command = [sys.executable, "-c", CHILD, str(model), data, str(out)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
                assert child.stdout is not None
                whole = set()
                for _ in range(2):
                    start = time.perf_counter()
                    if not child.stdout.readline():
                        return [f"moment {number}: the export failed by itself, status {child.wait()}"]
                    # The next turn has begun, in another folder: this one can be read meanwhile.
                    whole.add(digest(out))
                    duration = time.perf_counter() - start
                time.sleep(moment.uniform(0, 2 * duration))
                child.send_signal(signal.SIGKILL)
            if not out.is_dir() or digest(out) not in whole:
                problems.append(f"moment {number}: {out} holds neither of the two bundles")
    return problems


def main() -> int:
    """Run, report, exit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a Keras file")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    problems = kill_exports(options.model, options.data, options.moments, options.seed)
    print("\n".join(problems) or f"{options.moments} exports killed: the old bundle or the new one was there each time")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
