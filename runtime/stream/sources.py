"""Where the samples of a stream come from: files, piece by piece, and the microphone."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError
from edgepress.base.extras import require

from ..contract import Audio, Signal

__all__ = ["CHUNK_S", "MICROPHONE", "Source", "open_source", "paced"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

MICROPHONE = "microphone"
CHUNK_S = 0.1
"""Of samples that are handed on together."""
_WAITING = 100
"""Chunks of the microphone that may wait: ten seconds. A model that falls behind by more is too slow."""


class Source(NamedTuple):
    """Samples as they come."""

    name: str
    rate: float | None
    """In Hz; None where nothing says it."""
    chunks: Iterator[NDArray[Any]]
    """As `Stream.push` takes them. Closing it frees the file or the microphone."""


def open_source(name: str, contract: Signal | Audio, *, device: str | None = None) -> Source:
    """A recording for sound, a table or an array for signals, or the microphone.

    Args:
        name: A file, or `microphone`.
        contract: What the model takes.
        device: Which microphone, by its number or a part of its name; the system's usual one when None.

    Raises:
        InputError: A file that cannot be read, no microphone, or a microphone for a model of signals.
        MissingExtraError: What reads sound, or the microphone, is not installed.
    """
    if isinstance(contract, Audio):
        return _microphone(contract, device) if name == MICROPHONE else _recording(name)
    if name == MICROPHONE:
        raise InputError("a microphone for a model of signals: name a CSV or .npy file")
    return _samples(name, contract)


def paced(source: Source, rate: float) -> Iterator[NDArray[Any]]:
    """The chunks at the time at which they would come live."""
    began, count = time.monotonic(), 0
    for chunk in source.chunks:
        count += len(chunk)
        time.sleep(max(0.0, began + count / rate - time.monotonic()))
        yield chunk


def _recording(name: str) -> Source:
    from ..preprocess.sound import recording_chunks

    rate, chunks = recording_chunks(name, CHUNK_S)
    return Source(name, rate, chunks)


def _samples(name: str, contract: Signal) -> Source:
    step = max(1, round(CHUNK_S * contract.rate)) if contract.rate else 1
    if name.lower().endswith(".npy"):
        try:
            array = np.load(name, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{name} does not exist: name a CSV or .npy file") from None
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{name} holds no array ({str(error)[:100]}): an .npy file is allowed") from None
    else:
        array = _table(name, contract)
    parts = (np.asarray(array[start : start + step]) for start in range(0, len(array), step))
    return Source(name, contract.rate or None, parts)


def _table(name: str, contract: Signal) -> NDArray[np.float64]:
    """A CSV file with a column for each channel, a row for each step; other columns are left out."""
    from ..preprocess.tables import read_csv

    table = read_csv(name)
    missing = [channel for channel in contract.channels if channel not in table.columns]
    if missing:
        raise InputError(
            f"{name} has the columns {', '.join(table.columns)}: one for each channel is allowed, and "
            f"{', '.join(missing)} is missing"
        )
    places = [table.columns.index(channel) for channel in contract.channels]
    samples = np.empty((len(table.rows), len(places)))
    for i, (row, line) in enumerate(zip(table.rows, table.lines, strict=True)):
        try:
            samples[i] = [float(row[place]) for place in places]
        except ValueError:
            given = ", ".join(row[place] for place in places)
            raise InputError(f"{name} line {line} holds {given}: a number for each channel is allowed") from None
    return samples


def _microphone(contract: Audio, device: str | None) -> Source:
    try:
        sounddevice = require("sounddevice", extra="microphone")
    except OSError as error:
        # The package is there, and the library that it calls is not.
        raise InputError(f"{error}: install PortAudio (Debian: apt-get install libportaudio2)") from None
    waiting: queue.SimpleQueue[NDArray[Any]] = queue.SimpleQueue()
    lost = 0

    def heard(samples: NDArray[Any], count: int, times: Any, status: Any) -> None:
        nonlocal lost
        if waiting.qsize() < _WAITING:
            waiting.put(samples.copy())
        else:
            lost += 1

    chosen: Any = int(device) if device is not None and device.isdecimal() else device
    try:
        rate = float(contract.rate)
        try:
            sounddevice.check_input_settings(device=chosen, channels=1, samplerate=rate)
        except sounddevice.PortAudioError:
            # Few sound cards know 8 kHz: the stream resamples what they know.
            rate = float(sounddevice.query_devices(chosen, "input")["default_samplerate"])
        microphone = sounddevice.InputStream(
            samplerate=rate, device=chosen, channels=1, dtype="float32", blocksize=round(rate * CHUNK_S), callback=heard
        )
        microphone.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"no microphone can be heard ({reason}): plug one in, or name one with --device") from None

    def chunks() -> Iterator[NDArray[Any]]:
        try:
            while True:
                yield waiting.get()
                if lost:
                    raise InputError(f"the model is slower than the sound ({lost} chunks lost): take a larger hop")
        finally:
            microphone.close()

    return Source(str(device or MICROPHONE), rate, chunks())
