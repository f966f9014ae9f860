"""`edgepress listen`: what a model hears, and when."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from edgepress.base.hush import hushed
from edgepress.runtime import InputError, load
from edgepress.runtime.backends import BACKENDS
from edgepress.runtime.contract import Audio, Signal
from edgepress.runtime.stream import Event, Stream
from edgepress.runtime.stream.gate import QUIETEST_DB
from edgepress.runtime.stream.sources import MICROPHONE, open_source, paced

from .common import emit, json_option, reports_errors
from .predict import said

__all__ = ["command"]


@click.command("listen")
@click.argument("bundle", type=click.Path())
@click.argument("source", default=MICROPHONE, type=click.Path())
@click.option("--realtime", is_flag=True, help="Read a file as slowly as it would come live; else as fast as possible.")
@click.option("--device", metavar="NAME", help="Which microphone: its number, or a part of its name.")
@click.option("--hop", type=float, metavar="S", help="Seconds from one window to the next.  [a 16th of the window]")
@click.option("--smooth", type=float, metavar="S", help="Answers of so many seconds are averaged.  [half the window]")
@click.option("--threshold", type=float, help="Average probability (or score) from which on it counts.")
@click.option("--refractory", type=float, metavar="S", help="Seconds of quiet after an event.  [the window, or half]")
@click.option("--gate-db", type=float, metavar="DB", help="How far sound is above the background; 0: ask always.")
@click.option("--gain-db", type=float, metavar="DB", help="Make sound louder first, by so many dB.  [0]")
@click.option("--ignore", multiple=True, metavar="LABEL", help="A label that is no event, such as one for silence.")
@click.option(
    "--rate", type=float, metavar="HZ", help="Samples a second of a signal, where the bundle does not say it."
)
@click.option("--variant", default="int8", show_default=True, help="Which artifact of the bundle to take.")
@click.option("--backend", default="auto", show_default=True, help=f"auto, {', '.join(BACKENDS)}.")
@click.option("--lines", is_flag=True, help="Print each event as it comes as one JSON object a line.")
@json_option
@reports_errors
def command(
    bundle: str,
    source: str,
    realtime: bool,
    device: str | None,
    rate: float | None,
    variant: str,
    backend: str,
    lines: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Tell what BUNDLE hears in SOURCE, with its time in seconds, as it comes.

    SOURCE is a recording (WAV, FLAC) of any length, `microphone` (the default; Ctrl-C ends it), or for signals a CSV
    file with a column for each channel, or an .npy array (steps, channels).

    With --json one object stands at the end, and holds all events; for programs that act on each as it comes there is
    --lines.
    """
    if lines and as_json:
        raise InputError("--lines and --json: one of them is allowed")
    # LiteRT announces its delegate on standard error.
    with hushed():
        opened = load(bundle, variant=variant, backend=backend)
    with opened as model:
        contract = model.contract.only if model.contract else None
        # Refuses what is neither before anything is opened.
        stream = model.stream(rate if isinstance(contract, Signal) else None, **settings)
        assert isinstance(contract, Signal | Audio)
        opened_source = open_source(source, contract, device=device)
        if isinstance(contract, Audio):
            stream = model.stream(opened_source.rate, **settings)
        pace = opened_source.rate or rate or 0.0
        chunks = paced(opened_source, pace) if realtime and source != MICROPHONE else opened_source.chunks
        events: list[dict[str, Any]] = []
        heard = False
        # Ctrl-C is how listening to a microphone ends.
        with suppress(KeyboardInterrupt):
            for event in stream.listen(chunks):
                heard = True
                if as_json:
                    events.append(event.to_dict())
                else:
                    click.echo(json.dumps(event.to_dict(), allow_nan=False) if lines else _told(event))
                    sys.stdout.flush()
        for line in _levels(stream, heard):
            click.echo(line, err=True)
        if as_json:
            result: dict[str, Any] = {
                "artifact": model.artifact.file,
                "backend": model.backend,
                "source": opened_source.name,
            }
            result |= {
                "gain_db": stream.settings.gain_db,
                "cut_off": stream.cut_off,
                "seconds": round(stream.time, 3),
                "events": events,
            }
            emit(result, "", as_json=True)


def _levels(stream: Stream, heard: bool) -> Iterator[str]:
    """What to say of sound that was too quiet, or was made too loud."""
    if not heard and -math.inf < stream.loudest_db < QUIETEST_DB:
        yield (
            f"listen: nothing was loud enough: the loudest moment has {stream.loudest_db:.0f} dB, and below "
            f"{QUIETEST_DB:.0f} dB nothing counts as sound; --gain-db makes it louder"
        )
    if stream.cut_off:
        yield (
            f"listen: {stream.cut_off} samples were beyond full scale after --gain-db {stream.settings.gain_db:g}, and "
            "were cut off; take less"
        )


def _told(event: Event) -> str:
    return f"{event.time:9.2f} s  {said(event.to_dict())}"
