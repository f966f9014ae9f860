"""Bars in a terminal, lines elsewhere."""

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
import logging, click
from edgepress.base.progress import STEP, each, stage
from edgepress.cli.common import emit, reports_errors
from edgepress.runtime import InputError

log = logging.getLogger("edgepress.anything")

@click.command()
@click.option("--fail", is_flag=True)
@reports_errors
def command(fail):
    with stage("fit", 3) as shown:
        for epoch in range(3):
            log.info("epoch %d", epoch, extra=STEP)
            shown.advance(loss=f"0.{epoch}")
    list(each("export", ["a", "b"], lambda name: {"file": name}))
    log.warning("a [bold]line[/bold] of the log")
    if fail:
        raise InputError("too bad")
    emit({}, "result", as_json=False)

command()
"""


def in_terminal(*arguments, **environment):
    """What a terminal shows of standard error; standard output apart, and the exit status."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"} | environment,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    with done, os.fdopen(ours, "rb", buffering=0) as terminal:
        # Linux says EIO where the other end is closed.
        try:
            while part := terminal.read(4096):
                seen += part
        except OSError:
            pass
        output = done.stdout.read()
    return seen.decode(), output, done.returncode


def test_a_terminal_shows_a_bar_a_stage():
    pytest.importorskip("rich", reason="needs the toolkit extra")
    shown, output, status = in_terminal()
    assert status == 0
    assert output == "result\n"
    for text in ("fit", "fit: 3/3, 0 s, loss 0.2", "export: 2/2, 0 s, file b", "━", "a [bold]line[/bold] of the log"):
        assert text in shown
    assert "epoch 1" not in shown


def test_an_error_is_one_line_below_the_bars():
    shown, _, status = in_terminal("--fail")
    assert status == 2
    assert shown.splitlines()[-1].endswith("edgepress: too bad")


def test_a_dumb_terminal_gets_lines():
    shown, output, _ = in_terminal(TERM="dumb")
    assert "epoch 1" in shown
    assert "━" not in shown
    assert output == "result\n"


def test_a_pipe_gets_lines():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["epoch 0", "epoch 1", "epoch 2", "a [bold]line[/bold] of the log"]
    assert done.stdout == "result\n"
