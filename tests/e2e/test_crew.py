"""A search's trials in processes of our own: all are there, those of a process that dies too."""

import os
import signal
import subprocess
import sys
import time

import pytest

from edgepress.press.crew import Needs, crew_of
from edgepress.runtime import CheckFailedError, InputError


def double(number, folder=None, die=0):
    """Twice the number; the first `die` times the process is killed instead, as by lack of memory."""
    if folder is not None:
        marks = len(list(folder.glob(f"{number}-*")))
        (folder / f"{number}-{marks}").touch()
        if marks < die:
            os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def refuse(number):
    raise InputError(f"trial {number} cannot be")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_result_comes_once(workers):
    with crew_of(double, workers=workers) as crew:
        assert crew.size == workers
        for number in range(5):
            crew.submit(number, number)
        assert sorted(crew.next() for _ in range(5)) == [(number, 2 * number) for number in range(5)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_through(workers):
    with crew_of(refuse, workers=workers) as crew:
        crew.submit(3, 3)
        with pytest.raises(InputError, match="trial 3 cannot be"):
            crew.next()


def test_what_is_lost_runs_again_and_not_for_ever(tmp_path):
    with crew_of(double, workers=2) as crew:
        crew.submit(1, 1, tmp_path, 1)
        crew.submit(2, 2)
        assert sorted(crew.next() for _ in range(2)) == [(1, 2), (2, 4)]
        crew.submit(7, 7, tmp_path, 99)
        with pytest.raises(CheckFailedError, match="trials 7 were lost 3 times"):
            crew.next()
    assert len(list(tmp_path.glob("7-*"))) == 3


_DRIVER = """
import sys, time
from edgepress.press.crew import crew_of
with crew_of(time.sleep, workers=2) as crew:
    crew.submit(0, 0)
    crew.next()
    crew.submit(1, 600)
    print(*crew._pool._processes, flush=True)
    crew.next()
"""


def test_processes_end_with_the_driver():
    with subprocess.Popen([sys.executable, "-c", _DRIVER], stdout=subprocess.PIPE, text=True) as driver:
        children = [int(pid) for pid in driver.stdout.readline().split()]
        assert children
        driver.send_signal(signal.SIGKILL)
    until = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}/stat") and not _is_over(pid) for pid in children):
        assert time.monotonic() < until
        time.sleep(0.05)


def _is_over(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_ray_runs_them_and_those_of_a_worker_that_dies(tmp_path):
    pytest.importorskip("ray", reason="needs the ray extra")
    with crew_of(double, workers=2, ray="local") as crew:
        for number in range(3):
            crew.submit(number, number, tmp_path, int(number == 1))
        assert sorted(crew.next() for _ in range(3)) == [(0, 0), (1, 2), (2, 4)]
        crew.submit(7, 7, tmp_path, 99)
        with pytest.raises(CheckFailedError, match="trial 7 was lost"):
            crew.next()
    with (
        pytest.raises(
            InputError, match=r"takes 1 CPUs and 1 GPUs, and the nodes have 1 CPUs and 0 GPUs: .*--trial-gpus"
        ),
        crew_of(double, ray="local", needs=Needs(gpus=1)),
    ):
        pass
    with crew_of(os.getenv, ray="local", needs=Needs(cpus=2)) as crew:
        crew.submit(1, "TF_NUM_INTRAOP_THREADS")
        assert crew.next() == (1, "2")
    with crew_of(refuse, workers=1, ray="local") as crew:
        crew.submit(3, 3)
        with pytest.raises(InputError, match="trial 3 cannot be"):
            crew.next()


@pytest.mark.parametrize(
    ("needs", "ray", "said"),
    [
        (Needs(cpus=0), "local", "processors of a trial 0: at least 1"),
        (Needs(gpus=1.5), "local", "GPUs of a trial 1.5: a share from 0 to 1, or a whole number"),
        (Needs(gpus=-1), "local", "GPUs of a trial -1"),
        (Needs(cpus=2), None, "name --ray"),
    ],
)
def test_needs_that_nobody_fulfils_are_refused(needs, ray, said):
    with pytest.raises(InputError, match=said), crew_of(double, ray=ray, needs=needs):
        pass
