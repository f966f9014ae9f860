"""A search on a cluster of Ray, all of it on this machine: two one-core nodes beside one, a node and the driver killed.

    python -m edgepress.benchmarks.studies.cluster work --out docs/cluster.json
    python -m edgepress.benchmarks.studies.cluster work --only killed --out docs/cluster.json

In each round, in turn, a search of `--trials` small models on one node and on two, a cluster each; every node has one
processor, to which its processes are held. The seconds are those of the search, from the first trial's beginning
until the last one's end, in the journal. Then one such search on two nodes is disturbed: a node is killed (SIGKILL to
its raylet) when a quarter of the trials is there, and another joins; the driver is killed (SIGKILL) when half of them
are, and called again. All trials must be there, none twice, and the choice that of the undisturbed search of the
first round on two nodes. How much two processors of this machine can do that share its memory is measured beside it:
a plain tf-keras fit, one process on one processor and two on two. A study that is stopped goes on after the last
search that ended. Needs the ray extra and Linux, and at least two processors for the figures of time. Exit status 1
where the disturbed search went wrong. Prints the table for docs/growth.md.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.runtime.machine import describe_machine

__all__ = ["Nodes", "disturbed", "judged", "search_on", "to_table"]

_DRIVER = """
import json, sys
from pathlib import Path
import numpy as np
from edgepress.data import dataset_of_arrays
from edgepress.press import Budget, search
from edgepress.train import TrainConfig, train_baseline

folder, address, workers, trials, examples = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
random = np.random.default_rng(0)
labels = random.integers(3, size=examples)
images = random.integers(0, 150, (examples, 8, 8))
for image, label in zip(images, labels):
    row, column = divmod(int(label), 2)
    image[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] += 40
images, tested = images.astype(np.uint8), examples // 7
train, test = (images[tested:], labels[tested:]), (images[:tested], labels[:tested])
dataset = dataset_of_arrays("blobs", train, test, names=("a", "b", "c"))
config = TrainConfig(epochs=3, prune_epochs=2, quantize_epochs=1, batch_size=32)
baseline = folder / "float.keras"
if not baseline.exists():
    train_baseline(dataset, config, baseline)
budget = Budget(max_drop=5, max_bytes=8_000)
search(dataset, config, baseline, folder / "search", budget, trials=trials, workers=workers, ray=address)
"""
_JOURNAL, _FOUND = "search/journal.log", "search/search.json"
_PATIENCE_S = 900
_EXAMPLES = 1_400


class Nodes:
    """One-processor nodes of a Ray cluster on this machine."""

    def __init__(self) -> None:
        # A head without processors: the driver's own node runs no trial, and can go on when the others die.
        cluster = require("ray.cluster_utils", extra="ray")
        self._cluster = cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **_SMALL})
        self._nodes: list[Any] = []

    @property
    def address(self) -> str:
        """As `--ray` takes it."""
        return str(self._cluster.address)

    def add(self) -> None:
        """One more, held to the next of the processors that this process may use."""
        node = self._cluster.add_node(num_cpus=1, **_SMALL)
        usable = sorted(os.sched_getaffinity(0))
        self._nodes.append(node)
        for pid in _with_children(_raylet(node)):
            os.sched_setaffinity(pid, {usable[len(self._nodes) % len(usable)]})

    def kill(self) -> None:
        """End the first one as a power cut does."""
        os.kill(_raylet(self._nodes.pop(0)), signal.SIGKILL)

    def close(self) -> None:
        """End all."""
        self._cluster.shutdown()


_SMALL = {"object_store_memory": 100_000_000, "include_dashboard": False}


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def _with_children(pid: int) -> list[int]:
    """A process and what it started: processes that it starts later have its processor from the beginning."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(place.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


@contextmanager
def _cluster(count: int) -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        for _ in range(count):
            nodes.add()
        yield nodes
    finally:
        nodes.close()


@contextmanager
def _driver(folder: Path, address: str, workers: int, trials: int, examples: int) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "driver.log", "ab") as log:
        arguments = [str(folder), address, *map(str, (workers, trials, examples))]
        with subprocess.Popen([sys.executable, "-c", _DRIVER, *arguments], stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.kill()


def _journal(folder: Path) -> list[dict[str, Any]]:
    """Its whole lines."""
    place = folder / _JOURNAL
    text = place.read_text() if place.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


_STATE, _COMPLETE = 6, 1
"""In Optuna's journal: the operation that sets a trial's state, and the state of one that is done."""


def _ended(folder: Path) -> list[int]:
    """Trials that are done, once for each time that a result was noted."""
    lines = [line for line in _journal(folder) if line["op_code"] == _STATE and line.get("state") == _COMPLETE]
    return [line["trial_id"] for line in lines]


def _seconds(folder: Path) -> float:
    """From the first trial's beginning to the last one's end, as the journal has them."""
    lines = _journal(folder)
    begun = [line["datetime_start"] for line in lines if line.get("datetime_start")]
    over = [line["datetime_complete"] for line in lines if line.get("datetime_complete")]
    return (datetime.fromisoformat(max(over)) - datetime.fromisoformat(min(begun))).total_seconds()


def _wait(process: subprocess.Popen[bytes], folder: Path, wanted: int | None) -> None:
    """Until so many trials are done; all of them, and the driver too, where None.

    Raises:
        RuntimeError: The driver failed, or the time is over; its last line says why.
    """
    until = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        if wanted is not None and len(_ended(folder)) >= wanted:
            return
        time.sleep(0.1)
    if process.returncode != 0:
        said = (folder / "driver.log").read_text(errors="replace").strip().splitlines() or ["no message"]
        raise RuntimeError(f"the driver ended with status {process.returncode}: {said[-1]}")


def judged(folder: Path, trials: int) -> dict[str, Any]:
    """What a finished search left: trials that are there, results noted twice, and the choice."""
    ended, found = _ended(folder), json.loads((folder / _FOUND).read_text())
    made = [[each["trial"], each["file"], each["bytes"], each["value"]] for each in found["candidates"]]
    return {
        "trials": len({candidate["trial"] for candidate in found["candidates"]} & set(range(trials))),
        "ended": len(set(ended)),
        "twice": sum(count - 1 for count in Counter(ended).values()),
        "candidates": sorted(made),
        "choice": found["choice"],
    }  # fmt: skip


def search_on(count: int, folder: Path, trials: int, examples: int = _EXAMPLES) -> dict[str, Any]:
    """A search on so many nodes, which nobody disturbs."""
    shutil.rmtree(folder, ignore_errors=True)
    with _cluster(count) as nodes, _driver(folder, nodes.address, count, trials, examples) as process:
        _wait(process, folder, None)
    return judged(folder, trials) | {"seconds": round(_seconds(folder), 2)}


def disturbed(folder: Path, trials: int, examples: int = _EXAMPLES) -> dict[str, Any]:
    """A search on two nodes, of which one is killed and another joins, whose driver is killed and called again."""
    shutil.rmtree(folder, ignore_errors=True)
    with _cluster(2) as nodes:
        with _driver(folder, nodes.address, 2, trials, examples) as process:
            _wait(process, folder, max(1, trials // 4))
            nodes.kill()
            nodes.add()
            _wait(process, folder, max(2, trials // 2))
            process.send_signal(signal.SIGKILL)
        before = len(set(_ended(folder)))
        with _driver(folder, nodes.address, 2, trials, examples) as process:
            _wait(process, folder, None)
    return judged(folder, trials) | {"before": before}


def to_table(record: dict[str, Any]) -> str:
    """The page's table."""
    lines, trials = [], record["trials"]
    rounds = [each for each in record["rounds"] if len(each) == len(_WAYS)]
    for way in _WAYS if rounds else ():
        rates = [60 * trials / each[way]["seconds"] for each in rounds]
        ratios = [each["one node"]["seconds"] / each[way]["seconds"] for each in rounds]
        lines.append([way, f"{statistics.median(rates):.1f}", f"{statistics.median(ratios):.2f}"])
    table = markdown_table(["cluster", "trials a minute", "x one node"], lines, columns="lr") if lines else []
    told = [f"{trials} trials, median of {len(rounds)} rounds on {record['machine']['cores']} cores."] if rounds else []
    if "killed" in record:
        killed = record["killed"]
        told.append(
            f"A node killed after {trials // 4} trials and the driver after {killed['before']}: {killed['trials']} of "
            f"{trials} trials there, {killed['twice'] or 'none'} twice, "
            f"{'the same choice' if killed['same_choice'] else 'ANOTHER CHOICE'} as without "
            f"({killed['same_candidates']} of {killed['all_candidates']} candidates the same)."
        )
    if gains := [2 * one / two for one, two in record.get("plain_fits", [])]:
        told.append(
            f"Two plain fits at once, without Ray and a search, come to {statistics.median(gains):.2f} times one "
            f"(rounds {min(gains):.2f} to {max(gains):.2f}): more than that this machine does not give."
        )
    return "\n".join([*table, *([""] if table else []), " ".join(told)])


_WAYS = {"one node": 1, "two nodes": 2}
_FIT = """
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
import tf_keras
layers = tf_keras.layers
hidden = [layers.Dense(128, "relu"), layers.Dense(64, "relu")]
model = tf_keras.Sequential([layers.Input((784,)), *hidden, layers.Dense(10)])
model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
rng = np.random.default_rng(0)
model.fit(rng.random((20000, 784), np.float32), rng.integers(0, 10, 20000), batch_size=128, epochs=8, verbose=0)
"""


def fits_at_once(processors: Sequence[int]) -> float:
    """Seconds of a plain fit on each of these processors, all at once, with the start of their processes."""
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{processor}])\n{_FIT}"],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, stderr=subprocess.DEVNULL,
        )
        for processor in processors
    ]  # fmt: skip
    if any([process.wait() for process in running]):
        raise RuntimeError("a plain fit of tf-keras failed")
    return time.perf_counter() - start


def _compared(found: dict[str, Any], undisturbed: dict[str, Any]) -> dict[str, Any]:
    same = [each for each in found["candidates"] if each in undisturbed["candidates"]]
    return found | {
        "same_choice": found["choice"] == undisturbed["choice"],
        "same_candidates": len(same),
        "all_candidates": len(undisturbed["candidates"]),
    }


def _main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for the searches")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=_EXAMPLES)
    parser.add_argument("--only", choices=["killed"], help="what needs no quiet machine: the disturbed search")
    parser.add_argument("--out", type=Path, default=Path("cluster.json"))
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {
        "command": " ".join(["python -m edgepress.benchmarks.studies.cluster", *sys.argv[1:]]),
        "trials": options.trials,
        "examples": options.examples,
        "machine": describe_machine(),
        "rounds": [],
    }
    if options.out.exists():
        before = json.loads(options.out.read_text())
        if all(before.get(key) == record[key] for key in ("trials", "examples")):
            record = before

    def keep() -> None:
        write_file(options.out, json.dumps(record, indent=1) + "\n")

    work = options.work.resolve()
    if "undisturbed" not in record:
        record["undisturbed"] = search_on(2, work / "undisturbed", options.trials, options.examples)
        keep()
    if "killed" not in record:
        found = disturbed(work / "killed", options.trials, options.examples)
        record["killed"] = _compared(found, record["undisturbed"])
        keep()
    while options.only is None and (len(record["rounds"]) < options.rounds or len(record["rounds"][-1]) < len(_WAYS)):
        if not record["rounds"] or len(record["rounds"][-1]) == len(_WAYS):
            record["rounds"].append({})
        for way, count in _WAYS.items():
            if way not in record["rounds"][-1]:
                found = search_on(count, work / "round", options.trials, options.examples)
                record["rounds"][-1][way] = {key: found[key] for key in ("seconds", "trials", "twice")}
                keep()
    if options.only is None and "plain_fits" not in record:
        first, second, *_ = sorted(os.sched_getaffinity(0))
        # The first pair reads the libraries from disk.
        pairs = [(fits_at_once([first]), fits_at_once([first, second])) for _ in range(options.rounds + 1)]
        record["plain_fits"] = [[round(each, 2) for each in pair] for pair in pairs[1:]]
        keep()
    print(to_table(record))
    killed = record["killed"]
    sys.exit(not (killed["trials"] == options.trials and not killed["twice"] and killed["same_choice"]))


if __name__ == "__main__":
    _main()
