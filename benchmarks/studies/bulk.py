"""Scoring in bulk: its rate beside the bare batch rate, with one process and with two; its memory; and a kill midway.

    python -m edgepress.benchmarks.studies.bulk docs/frontier/raw.tflite --out docs/bulk.json

Makes MNIST-sized pictures from a seed in an `.npz`, 1,000,000 of them. In each round, in turn: `predict` on batches
that lie in memory (the bare batch rate), and `edgepress predict --data` of the same pictures with one worker and with
two, each in a process of its own. The rate is the command's own: from the model's being loaded until the last piece
of the answers is stored; `whole_s` has what starting, reading the archive and joining the pieces take beside.
`peak_mb` is the peak resident memory of the command's own process. Then one run is killed (SIGKILL) when half of the
pieces are there, and called again: the table must be the one that was made without. A study that is stopped goes on
after its last round. Exit status 1 where the killed run's table differs. Prints the table for docs/predict.md.
"""

import argparse
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.runtime import Model, load
from edgepress.runtime.machine import describe_machine

__all__ = ["kill_midway", "make_pictures", "measure_round", "to_table"]

_BATCH = 4_096


def make_pictures(path: Path, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Write `count` grey pictures of 28 x 28 with bright strokes to an `.npz`; a class each, drawn at random."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 255, (256, 28, 28), dtype=np.uint8)
    kinds[:, :4], kinds[:, -4:] = 0, 0
    chosen = random.integers(0, 256, count)
    images = kinds[chosen]
    images[:, 14, 14] = random.integers(0, 255, count)
    np.savez(path, x=images, y=(chosen % 10).astype(np.int64))
    return images


def bare_rate(model: Model, images: NDArray[np.uint8]) -> dict[str, float]:
    """Examples a second of `predict` on batches in memory, and processor time of one."""
    start, used = time.perf_counter(), time.process_time()
    for first in range(0, len(images), _BATCH):
        model.predict(images[first : first + _BATCH])
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return {"per_second": round(len(images) / seconds, 1), "cpu_us": round(used / len(images) * 1e6, 3)}


def _command(bundle: Path, data: Path, out: Path, workers: int) -> list[str]:
    command = [sys.executable, "-m", "edgepress", "predict", str(bundle), "--data", str(data), "--out", str(out)]
    return [*command, "--workers", str(workers), "--json"]


def bulk_rate(bundle: Path, data: Path, out: Path, workers: int) -> dict[str, float]:
    """What one run of the command says of itself, and what it took."""
    start = time.perf_counter()
    with subprocess.Popen(
        _command(bundle, data, out, workers), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        peak = 0
        while not select.select([child.stdout], [], [], 0.05)[0]:
            peak = max(peak, _peak_bytes(child.pid))
        said = child.stdout.read()
        # With the processes that it started and waited for.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"predict ended with status {child.returncode}")
    found = json.loads(said)
    return {
        "per_second": found["per_second"],
        "cpu_us": round((usage.ru_utime + usage.ru_stime) / found["examples"] * 1e6, 3),
        "whole_s": round(time.perf_counter() - start, 2),
        "peak_mb": round(peak / 1e6),
    }


def _peak_bytes(pid: int) -> int:
    """Most memory that a process had so far; `getrusage` has that of the process which it was forked from, too."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def measure_round(model: Model, bundle: Path, data: Path, images: NDArray[np.uint8], work: Path) -> dict[str, Any]:
    """The bare rate, and one and two workers' figures."""
    measured: dict[str, Any] = {"bare": bare_rate(model, images)}
    for workers in (1, 2):
        out = work / f"answers-{workers}.parquet"
        out.unlink(missing_ok=True)
        measured[f"workers_{workers}"] = bulk_rate(bundle, data, out, workers)
    return measured


def kill_midway(bundle: Path, data: Path, work: Path, count: int, workers: int) -> dict[str, Any]:
    """Kill a run when half of its pieces are there, call it again, and compare the table with an undisturbed one's."""
    out, whole = work / "killed.parquet", work / "whole.parquet"
    for place in (out, whole):
        place.unlink(missing_ok=True)
    bulk_rate(bundle, data, whole, workers)
    shards = out.with_name(f"{out.name}.shards")
    with subprocess.Popen(
        _command(bundle, data, out, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        while child.poll() is None:
            job = shards / "job.json"
            there = len(list(shards.glob("*.arrow")))
            if there and there * json.loads(job.read_text())["piece"] * 2 >= count:
                break
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
    left = len(list(shards.glob("*.arrow"))) if shards.exists() else 0
    was_there = out.exists()
    bulk_rate(bundle, data, out, workers)
    parquet = require("pyarrow.parquet", extra="table")
    found, wanted = parquet.read_table(out), parquet.read_table(whole)
    return {
        "pieces_before": left,
        "table_before": was_there,
        "rows": found.num_rows,
        "index_once_and_in_order": bool((np.asarray(found["index"]) == np.arange(count)).all()),
        "equal": found.equals(wanted),
    }


def to_table(record: dict[str, Any]) -> str:
    """The page's table."""
    rounds = record["rounds"]

    def figures(name: str, figure: str) -> NDArray[np.float64]:
        return np.array([each[name][figure] for each in rounds])

    bare, used = figures("bare", "per_second"), figures("bare", "cpu_us")
    lines = [["`predict` on batches in memory", f"{np.median(bare):,.0f}", "1", f"{np.median(used):.2f}", "1", "", ""]]
    for workers in (1, 2):
        name = f"workers_{workers}"
        rate, own = figures(name, "per_second"), figures(name, "cpu_us")
        lines.append(
            [
                f"`--workers {workers}`",
                f"{np.median(rate):,.0f}",
                f"{np.median(rate / bare):.2f}",
                f"{np.median(own):.2f}",
                f"{np.median(own / used):.2f}",
                f"{np.median(figures(name, 'whole_s')):.1f}",
                f"{figures(name, 'peak_mb').max():.0f}",
            ]
        )
    head = ["way", "examples a second", "x bare", "processor us an example", "x bare", "s in all", "peak MB"]
    killed = record["killed"]
    remark = (
        f"{record['examples']:,} pictures of 28 x 28, `{record['artifact']}`, median of {len(rounds)} interleaved "
        f"rounds on {record['machine']['cores']} cores. Killed with {killed['pieces_before']} pieces there and called "
        f"again: {killed['rows']:,} rows, {'the same table' if killed['equal'] else 'ANOTHER TABLE'}."
    )
    return "\n".join([*markdown_table(head, lines, columns="lr"), "", remark])


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="a bundle or a model file")
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("bulk.json"))
    options = parser.parse_args()
    with load(options.bundle) as model, tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / "pictures.npz"
        images = make_pictures(data, options.examples)
        record: dict[str, Any] = {
            "command": " ".join(["python -m edgepress.benchmarks.studies.bulk", *map(str, sys.argv[1:])]),
            "examples": options.examples,
            "artifact": model.artifact.file,
            "artifact_sha256": model.artifact.sha256,
            "pictures_sha256": hashlib.sha256(images.data).hexdigest(),
            "machine": describe_machine(),
            "rounds": [],
        }
        if options.out.exists():
            before = json.loads(options.out.read_text())
            same = ("examples", "artifact_sha256", "pictures_sha256")
            if all(before[key] == record[key] for key in same):
                record = before
        while len(record["rounds"]) < options.rounds:
            record["rounds"].append(measure_round(model, options.bundle, data, images, work))
            write_file(options.out, json.dumps(record, indent=1) + "\n")
            print(record["rounds"][-1], file=sys.stderr)
        if "killed" not in record:
            record["killed"] = kill_midway(options.bundle, data, work, options.examples, 2)
            write_file(options.out, json.dumps(record, indent=1) + "\n")
    print(to_table(record))
    sys.exit(not (record["killed"]["equal"] and record["killed"]["index_once_and_in_order"]))


if __name__ == "__main__":
    _main()
