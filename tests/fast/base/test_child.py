"""Children end by themselves, or are ended."""

import sys
import time

import pytest

from edgepress.base.child import Started, how_it_ended, run_child, run_module

SIGNS_OF_LIFE = (
    "import pathlib, sys, time\nfor _ in range(5):\n    time.sleep(0.4)\n    pathlib.Path(sys.argv[1]).touch()"
)


def python(program, *arguments, **options):
    return run_child([sys.executable, "-c", program, *map(str, arguments)], **options)


def test_what_ends_well_gives_its_output():
    ended = python("print('yes'); import sys; print('no', file=sys.stderr)", seconds=20)
    assert (ended.ok, ended.stdout, ended.stderr) == (True, "yes\n", "no\n")


def test_the_last_line_of_a_failure_is_its_reason():
    ended = python("import sys; print('first\\nlast\\n', file=sys.stderr); sys.exit(3)", seconds=20)
    assert (ended.ok, ended.reason) == (False, "exit status 3: last")


def test_a_signal_is_named():
    ended = python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", seconds=20)
    assert (ended.ok, ended.reason) == (False, "killed by SIGSEGV")


def test_what_takes_too_long_is_killed_with_what_it_said():
    begin = time.monotonic()
    ended = python("import time; print('begun', flush=True); time.sleep(60)", seconds=1)
    assert (ended.ok, ended.reason, ended.stdout) == (False, "not done after 1 s", "begun\n")
    assert time.monotonic() - begin < 20


def test_signs_of_life_are_what_counts_where_there_are_any(tmp_path):
    assert python(SIGNS_OF_LIFE, tmp_path / "alive", seconds=1.6, alive=tmp_path / "alive").ok
    silent = python("import time; time.sleep(60)", seconds=1, alive=tmp_path / "alive")
    assert (silent.ok, silent.reason) == (False, "no sign of life for 1 s")


def test_modules_run_by_this_interpreter():
    assert run_module("platform", seconds=20).ok


def test_no_such_program(tmp_path):
    with pytest.raises(FileNotFoundError):
        run_child([str(tmp_path / "none")], seconds=1)


def test_silence_has_a_reason_too():
    assert how_it_ended(1) == "exit status 1: no message"


def test_a_process_that_waits_is_told_what_to_do():
    with Started([sys.executable, "-c", "print(input() * 2)"], told=True) as process:
        assert process.ended("yes\n", seconds=20).stdout == "yesyes\n"


def test_a_process_that_waits_ends_with_its_context():
    begin = time.monotonic()
    with Started([sys.executable, "-c", "input()"], told=True):
        pass
    assert time.monotonic() - begin < 10
