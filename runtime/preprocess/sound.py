"""Recordings as the waveforms that the contract asks for, with limits on what a file may claim to be."""

import io
import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError
from edgepress.base.extras import require

from ..contract.audio import Audio

__all__ = [
    "MOST_SECONDS",
    "RECORDING_SUFFIXES",
    "RecordingFile",
    "read_recording",
    "recording_chunks",
    "recording_header",
]

RecordingFile = str | os.PathLike[str] | bytes | IO[bytes] | io.BufferedIOBase
"""A path, the file's bytes, or a stream of them."""

RECORDING_SUFFIXES = (".wav", ".flac")
"""Of the files that are taken for recordings."""
_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")
MOST_SECONDS = 3_600
"""A longer recording is refused before it is decoded."""
_MOST_SAMPLES = 500_000_000
"""Of all channels: one hour of stereo at 48 kHz has 350 million, which take 1.4 GB."""


def read_recording(file: RecordingFile, audio: Audio, *, name: str | None = None) -> NDArray[np.float32]:
    """Decode a WAV or FLAC file, mixed to one channel (their mean), resampled to the contract's rate, and cut or
    filled up to its window.

    Args:
        file: The recording.
        audio: What the model takes.
        name: How messages call the file; its path when None.

    Returns:
        float32 (samples,), between -1 and 1.

    Raises:
        InputError: As `recording_header`, or NaN among the samples.
        MissingExtraError: soundfile or soxr is not installed.
    """
    with _opened(file, _name(file, name)) as sound:
        try:
            samples = sound.read(dtype="float32", always_2d=True)
        except RuntimeError as error:
            raise InputError(f"{_name(file, name)} is damaged ({_reason(error)}): copy it again") from None
        rate = sound.samplerate
    if not len(samples):
        raise InputError(f"{_name(file, name)} has no sound (0 samples): remove it, or record it again")
    mono = samples.mean(axis=1, dtype=np.float64).astype(np.float32) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(mono).all():
        raise InputError(f"{_name(file, name)} holds NaN or infinity: record or convert it again")
    if rate != audio.rate:
        mono = require("soxr", extra="audio").resample(mono, rate, audio.rate)
        # One of a few samples can vanish on the way down.
        mono = mono if len(mono) else np.zeros(1, np.float32)
    return audio.window(np.clip(mono, -1.0, 1.0))


def recording_header(file: RecordingFile, *, name: str | None = None) -> tuple[int, int]:
    """The rate in Hz, and the number of samples a channel.

    Raises:
        InputError: No such file, another format, damaged, without sound, or longer than an hour.
        MissingExtraError: soundfile is not installed.
    """
    with _opened(file, _name(file, name)) as sound:
        return int(sound.samplerate), int(sound.frames)


def recording_chunks(file: str | os.PathLike[str], seconds: float) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """A recording of any length piece by piece, in little memory.

    Returns:
        The rate in Hz, and its samples (n, channels), so many seconds at a time.

    Raises:
        InputError: As `recording_header`, but for the length.
        MissingExtraError: soundfile is not installed.
    """
    name = os.fspath(file)
    try:
        stream = open(file, "rb")  # noqa: SIM115 - the generator closes it
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name a WAV or FLAC file") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}): name a WAV or FLAC file") from None
    try:
        sound = _opened(stream, name, limited=False)
    except BaseException:
        stream.close()
        raise

    def chunks() -> Iterator[NDArray[np.float32]]:
        with stream, sound:
            count = max(1, round(seconds * sound.samplerate))
            try:
                while len(samples := sound.read(count, dtype="float32", always_2d=True)):
                    yield samples
            except RuntimeError as error:
                raise InputError(f"{name} is damaged ({_reason(error)}): copy it again") from None

    return int(sound.samplerate), chunks()


def _name(file: RecordingFile, name: str | None) -> str:
    return name or (os.fspath(file) if isinstance(file, str | os.PathLike) else "the recording")


def _opened(file: RecordingFile, name: str, *, limited: bool = True) -> Any:
    soundfile = require("soundfile", extra="audio")
    try:
        if isinstance(file, str | os.PathLike):
            # Not by its name: libsndfile takes some suffixes, such as .raw, for a format.
            with open(file, "rb") as stream:
                file = stream.read()
        sound = soundfile.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else file)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name a WAV or FLAC file") from None
    except (OSError, RuntimeError, TypeError) as error:
        raise InputError(f"{name} cannot be read as WAV or FLAC ({_reason(error)}): save it again as one") from None
    with_sound = sound.frames > 0
    if sound.format not in _FORMATS:
        sound.close()
        raise InputError(f"{name} is {sound.format}: WAV and FLAC are read; save it as one of them")
    if not with_sound:
        sound.close()
        raise InputError(f"{name} has no sound (0 samples): remove it, or record it again")
    if limited and (sound.frames > MOST_SECONDS * sound.samplerate or sound.frames * sound.channels > _MOST_SAMPLES):
        length = sound.frames / sound.samplerate
        sound.close()
        raise InputError(f"{name} lasts {length:,.0f} s: at most {MOST_SECONDS:,} s are read; cut it")
    return sound


def _reason(error: Exception) -> str:
    # "Error opening <_io.BytesIO object at 0x7f...>: Format not recognised." names a stream by its address.
    return str(error).rsplit(": ", 1)[-1].rstrip(".")
