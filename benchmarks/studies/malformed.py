"""What malformed model files do to the one who loads them.

    python -m edgepress.benchmarks.studies.malformed --files 5000 --page docs/malformed.md \
        tests/golden/{digits-int8,digits-float32,conv,depthwise,cropped}.tflite \
        tests/golden/{digits-int8,digits-float32}.onnx

Each file is changed by a seed of its own: cut short, bits flipped, a part copied over another, a dimension made huge.
A forked child loads it as a lone file, without `isolate`, and runs it once. What became of the child stands in one line
of --out; a run that was interrupted goes on where it stopped. Exit status 1 where a child died, hung, or took more
memory than is stated.
"""

import argparse
import json
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.runtime import InputError, load

__all__ = ["KINDS", "mutated", "outcome"]

KINDS = ("cut", "flipped", "spliced", "oversized")
MEMORY_MB = 1_500
"""Peak memory that a loading process may reach; the same files unchanged take about 100."""
SECONDS = 90


def mutated(content: bytes, kind: str, seed: int) -> bytes:
    """`content` changed in one of four ways, the same for the same seed."""
    choose = random.Random(f"{kind} {seed}")
    data = bytearray(content)
    if kind == "cut":
        return bytes(data[: choose.randrange(len(data))])
    if kind == "flipped":
        for _ in range(choose.choice((1, 1, 2, 8, 64))):
            data[_place(choose, len(data))] ^= 1 << choose.randrange(8)
    elif kind == "spliced":
        size = choose.choice((1, 4, 16, 256))
        source, target = choose.randrange(len(data) - size), _place(choose, len(data) - size)
        data[target : target + size] = data[source : source + size]
    else:
        place = _place(choose, len(data) - 4)
        value = choose.choice((0, -1, 2**31 - 1, -(2**31), 1 << 20, 1 << 28, 65_536, 7))
        struct.pack_into("<i", data, place - place % 4, value)
    return bytes(data)


def _place(choose: random.Random, size: int) -> int:
    """Somewhere in the file; every other time near an end, where the structure is and not the weights."""
    edge = min(size, 3_000)
    return choose.choice((choose.randrange(size), choose.randrange(edge), size - 1 - choose.randrange(edge)))


def outcome(path: Path, expected: np.ndarray, x: np.ndarray, backend: str) -> dict[str, Any]:
    """Load and run one file in a child: refused, same, different, killed or hung; with its peak memory in MB."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        # The child's words are not ours.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os._exit(_child(path, expected, x, backend))
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - start > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.wait4(child, 0)
            return {"outcome": "hung", "peak_mb": 0}
        time.sleep(0.0005)
    names = {0: "same", 1: "different", 2: "refused"}
    result = f"killed by {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else None
    code = os.waitstatus_to_exitcode(status)
    return {"outcome": result or names.get(code, f"ended with {code}"), "peak_mb": round(usage.ru_maxrss / 1000)}


def _child(path: Path, expected: np.ndarray, x: np.ndarray, backend: str) -> int:
    try:
        with load(path, backend=backend) as model:
            output = model.run(x)
    except InputError:
        return 2
    except BaseException:
        return 3
    return 0 if isinstance(output, np.ndarray) and np.array_equal(output, expected) else 1


def _study(source: Path, files: int, backend: str, out: Path) -> list[dict[str, Any]]:
    content = source.read_bytes()
    with load(source, backend=backend) as model:
        spec = model.artifact.inputs[0]
        real = np.random.default_rng(0).integers(0, 127, (1, *spec.shape[1:]))
        x = real.astype(spec.dtype) if spec.dtype == "int8" else (real / 127).astype(spec.dtype)
        expected = model.run(x)
        name = model.backend
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []
    rows = [row for row in done if row["file"] == source.name and row["backend"] == name]
    known = {(row["kind"], row["seed"]) for row in rows}
    with tempfile.TemporaryDirectory() as work, open(out, "a") as lines:
        path = Path(work) / source.name
        for number in range(files):
            kind, seed = KINDS[number % len(KINDS)], number // len(KINDS)
            changed = mutated(content, kind, seed)
            if (kind, seed) in known or changed == content:
                continue
            path.write_bytes(changed)
            row = {"file": source.name, "backend": name, "kind": kind, "seed": seed}
            rows.append(row | outcome(path, expected, x, backend))
            lines.write(json.dumps(rows[-1]) + "\n")
            lines.flush()
    return rows


def _is_bad(row: dict[str, Any]) -> bool:
    return row["outcome"] not in ("same", "different", "refused") or row["peak_mb"] > MEMORY_MB


def _table(rows: list[dict[str, Any]]) -> str:
    head = (
        "file", "backend", "files", "refused", "same answer", "another answer", "died, hung or too large", "peak MB",
    )  # fmt: skip
    lines = []
    for file, backend in dict.fromkeys((row["file"], row["backend"]) for row in rows):
        own = [row for row in rows if (row["file"], row["backend"]) == (file, backend)]
        count = Counter(row["outcome"] for row in own)
        bad, peak = sum(map(_is_bad, own)), max(row["peak_mb"] for row in own)
        counts = (len(own), count["refused"], count["same"], count["different"], bad, peak)
        lines.append((file, backend, *(f"{number:,}" for number in counts)))
    return "\n".join(markdown_table(head, lines, columns="llr"))


def _page(rows: list[dict[str, Any]], command: str) -> str:
    return (
        "# Malformed model files\n\n"
        "Lone files, changed at random (cut short, bits flipped, a part copied over another, a number made huge),\n"
        "loaded without `isolate` and run once, each in a process of its own. From a bundle every one of them is\n"
        "refused by its digest before a parser sees it. What ran and answered differently only a digest can tell:\n"
        f"take models from bundles.\n\n{_table(rows)}\n\nWritten by `{command}`.\n"
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--files", type=int, default=5_000, help="changed files for each model")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--out", type=Path, default=Path("malformed.jsonl"))
    parser.add_argument("--page", type=Path, help="write a Markdown page of the results")
    options = parser.parse_args()
    rows = [row for model in options.models for row in _study(model, options.files, options.backend, options.out)]
    print(_table(rows))
    if options.page:
        command = f"python -m edgepress.benchmarks.studies.malformed {' '.join(sys.argv[1:])}"
        write_file(options.page, _page(rows, command))
    sys.exit(any(map(_is_bad, rows)))


if __name__ == "__main__":
    _main()
