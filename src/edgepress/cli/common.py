"""What the commands share: how they report, how they fail, and the options that mean the same everywhere."""

import errno
import functools
import importlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from edgepress.base.progress import shown_by
from edgepress.runtime import EdgepressError, InputError
from edgepress.runtime.tasks import TASKS

from .bars import Bars

if TYPE_CHECKING:
    from edgepress.data import Dataset

__all__ = [
    "DataChoice",
    "asking_options",
    "backbone_option",
    "bounds_of",
    "custom_option",
    "data_options",
    "emit",
    "json_option",
    "model_option",
    "out_option",
    "overwrite_option",
    "preset_option",
    "reports_errors",
    "seed_option",
    "teacher_option",
    "terminal_width",
]

_MENDS = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EACCES: "allow it, or name another place",
    errno.EPERM: "allow it, or name another place",
    errno.EROFS: "it is read-only: name another place",
}
_TASKS = tuple(TASKS)
_showing: list[Bars] = []
"""The bars of the command that runs."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Makes the run reproducible.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what is at --out.")
model_option = click.option(
    "--model",
    metavar="NAME|FILE",
    help="A model to train (mlp, conv1d, ds-cnn, autoencoder, lenet-300-100, lenet-5, cnn; the usual one for the data "
    "when not given), or a Keras file of your own to start from.",
)
preset_option = click.option(
    "--preset",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="quick, default, frontier (an hour or more), or a TOML file with the same keys; its base is the "
    "preset that it builds on.",
)
teacher_option = click.option(
    "--teacher",
    metavar="NAME|FILE",
    help="Who teaches the float model, in place of the preset's: a model's name, or a Keras file of your own.",
)
backbone_option = click.option(
    "--backbone",
    metavar="NAME|FILE",
    help="A trained model that is given a new head: a Keras file of your own, or mobilenet, mobilenet-0.25, "
    "mobilenet-v2, mobilenet-v2-0.35, resnet50 with their published weights.",
)


@dataclass(frozen=True)
class DataChoice:
    """What --data and the options about it say."""

    source: str | None
    label: str | None
    task: str | None
    input_shape: tuple[int, ...] | None
    seconds: float | None
    normal: str | None

    def read(
        self, task: str | None = None, input_shape: tuple[int, ...] | None = None, seconds: float | None = None
    ) -> "Dataset":
        """As `load`, for a model that takes its input in this way; what the user says goes before that."""
        return replace(
            self,
            task=self.task or task,
            input_shape=self.input_shape or input_shape,
            seconds=self.seconds or seconds,
        ).load(in_pieces=True)

    def load(self, *, in_pieces: bool = False) -> "Dataset":
        """Find, read and check the data; with `in_pieces` many examples stay in a file until they are asked for."""
        from edgepress.data import as_dataset

        assert self.source is not None
        return as_dataset(
            self.source, label=self.label, task=self.task, normal=self.normal, input_shape=self.input_shape,
            seconds=self.seconds, in_pieces=in_pieces,
        )  # fmt: skip


def data_options(*, default: str | None = "mnist", help: str = "The data") -> Callable[..., Any]:
    """--data with the options about it; the command gets them as one `DataChoice` called `data`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--data",
            "source",
            default=default,
            show_default=default is not None,
            metavar="NAME|PATH",
            help=f"{help}: mnist by name; an .npz or IDX archive, a CSV or Parquet table, a folder or .zip of "
            "class folders (pictures, WAV, FLAC), or file.py:function.",
        )
        @click.option(
            "--label", metavar="COLUMN", help="Of a table: the column with the right answers; or several, a,b."
        )
        @click.option("--task", type=click.Choice(_TASKS), help="The question, where data and model leave it open.")
        @click.option("--normal", metavar="CLASS", help="For anomalies: the class that is normal.")
        @click.option("--input-shape", metavar="HxW", help="The size that pictures of several sizes are brought to.")
        @click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Length of the window of recordings.")
        @functools.wraps(function)
        def wrapper(
            *args: Any,
            source: str | None,
            label: str | None,
            task: str | None,
            normal: str | None,
            input_shape: str | None,
            seconds: float | None,
            **options: Any,
        ) -> Any:
            choice = DataChoice(source, label, task, _shape(input_shape), seconds, normal)
            return function(*args, data=choice, **options)

        return wrapper

    return decorate  # fmt: skip


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.lower().replace(",", "x").split("x")
    if len(parts) not in (1, 2, 3) or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"--input-shape {text!r}: sizes are allowed, as in 96x96 or 96x96x3")
    return tuple(int(part) for part in parts)


def asking_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """How a user's own model is asked, and what it may lose."""

    @click.option(
        "--input",
        "input_",
        metavar="NAME|FILE",
        help="How the model takes its input: pixels/255, pixels/127.5-1, pixels, imagenet, caffe, or a TOML file. "
        "Found from the model and the data when not given.",
    )
    @click.option(
        "--bound",
        "bounds",
        multiple=True,
        metavar="VARIANT=NUMBER",
        help="How far a variant may be from its model, in the task's unit (points, percent, dB), such as int8=2.0.",
    )
    @click.option("--accept-chance", is_flag=True, help="Go on with a model that is no better than the trivial answer.")
    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return wrapper  # fmt: skip


def custom_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--custom: what Keras files are opened with, all the while that the command runs."""

    @click.option(
        "--custom",
        type=click.Path(),
        metavar="FILE.py",
        help="A Python file that defines layers and functions which a Keras file names; its code runs.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, custom: str | None, **options: Any) -> Any:
        if custom is None:
            return function(*args, **options)
        from edgepress.train import custom_layers

        with custom_layers(custom):
            return function(*args, **options)

    return wrapper  # fmt: skip


def bounds_of(texts: tuple[str, ...]) -> dict[str, float]:
    """`int8=2.0` and the like, as a mapping."""
    bounds = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            bounds[name] = float(number)
        except ValueError:
            raise InputError(f"--bound {text!r}: a variant and a number are allowed, as in int8=2.0") from None
        if not name:
            raise InputError(f"--bound {text!r}: a variant and a number are allowed, as in int8=2.0")
    return bounds


def out_option(help: str, **attributes: Any) -> Callable[..., Any]:
    """`--out PATH`, described for the command at hand."""
    return click.option("--out", type=click.Path(), metavar="PATH", help=help, **attributes)


def terminal_width() -> int | None:
    """Columns of the terminal on standard output; None where it is a file or a pipe, which take any width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def emit(result: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print a command's result: the object with --json, else the text for people."""
    # The result stands below the bars, not among them.
    for bars in _showing:
        bars.stop()
    click.echo(json.dumps(result, allow_nan=False) if as_json else text)
    # A full disk is known only now: later nobody could tell of it.
    sys.stdout.flush()


def reports_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an edgepress error into its one line on standard error and its exit status; show progress there too."""

    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        try:
            with _progress():
                return function(*args, **options)
        except EdgepressError as error:
            click.echo(f"edgepress: {error}", err=True)
            sys.exit(error.exit_status)
        except BrokenPipeError:
            raise  # The reader has seen enough: click ends quietly.
        except OSError as error:
            click.echo(f"edgepress: {_place_error(error)}", err=True)
            _give_up_unwritten()
            sys.exit(InputError.exit_status)

    return wrapper


def _give_up_unwritten() -> None:
    """Where standard output takes no more, let the interpreter's own last attempt go nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _place_error(error: OSError) -> str:
    """What a place did not allow, in one line."""
    what = error.strerror or str(error) or type(error).__name__
    names = [os.fspath(name) for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
    where = " -> ".join(map(str, names))
    mend = _MENDS.get(error.errno or 0, "name another place")
    return f"{f'{where}: ' if where else ''}{what}; {mend}"


@contextmanager
def _progress() -> Iterator[None]:
    """Bars on standard error where that is a terminal and rich is installed; edgepress' own log lines, where not."""
    with ExitStack() as stack:
        bars = _bars()
        if bars is not None:
            stack.enter_context(bars)
            stack.enter_context(shown_by(bars))
            _showing.append(bars)
            stack.callback(_showing.clear)
        handler = bars.handler() if bars is not None else logging.StreamHandler()
        _log_to(handler)
        stack.callback(logging.getLogger("edgepress").removeHandler, handler)
        yield


def _bars() -> Bars | None:
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        progress, console = importlib.import_module("rich.progress"), importlib.import_module("rich.console")
    except ImportError:
        return None
    return Bars(progress, console.Console(stderr=True))


def _log_to(handler: logging.Handler) -> None:
    """Send edgepress' own log lines there, as they are."""
    # TensorFlow's C++ side writes a screenful per converted model; what fails there comes back as an exception.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logger = logging.getLogger("edgepress")
    if not logger.handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
