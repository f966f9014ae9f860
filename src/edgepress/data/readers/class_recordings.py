"""Recordings of any rates and lengths as one array of waveforms."""

import logging
import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Audio
from edgepress.runtime.preprocess.sound import RECORDING_SUFFIXES, read_recording, recording_header

from ..options import Options
from ..rows import MANY_BYTES
from .files import File, decoded, in_parallel

__all__ = ["RECORDING_SUFFIXES", "read_recordings", "window_seconds"]

logger = logging.getLogger(__name__)

_MAX_BYTES = 4_000_000_000
_QUANTILE = 0.95
_MUCH_LONGER = 1.5


def read_recordings(files: list[File], options: Options) -> tuple[Audio, Any]:
    """Decode, mix to one channel, and bring to one rate and length.

    The rate is that of most files; the others are resampled. The length is `options.seconds`, or what `window_seconds`
    finds; longer recordings are cut and shorter ones followed by silence.

    Returns:
        What they are, and float32 (n, samples) between -1 and 1: an array, or `Rows` of many with `options.in_pieces`.

    Raises:
        InputError: Files that are none (the first of them, and how many), without sound, or too many for the memory.
    """
    headers = in_parallel(_header, files, "files")
    rates = Counter(rate for rate, _ in headers)
    rate = max(rates, key=lambda each: (rates[each], each))
    if len(rates) > 1:
        others = ", ".join(f"{count} of {each:,} Hz" for each, count in sorted(rates.items()) if each != rate)
        logger.info("most recordings have %s Hz: %s are resampled", f"{rate:,}", others)
    lengths = np.array([frames / each for each, frames in headers])
    seconds = options.seconds or window_seconds(lengths)
    audio = Audio(rate, max(1, round(seconds * rate)))
    cut = int((lengths > audio.seconds + 0.5 / rate).sum())
    logger.info(
        "recordings of %.2f to %.2f s become windows of %.2f s at %s Hz; %d are cut",
        lengths.min(),
        lengths.max(),
        audio.seconds,
        f"{rate:,}",
        cut,
    )
    total = len(files) * audio.samples * 4
    stays = options.in_pieces and total > MANY_BYTES
    if total > _MAX_BYTES and not stays:
        raise InputError(
            f"{len(files)} recordings of {audio.seconds:g} s take {total:,} bytes: at most {_MAX_BYTES:,} are read; "
            "shorten the window with --seconds"
        )

    def decode(file: File) -> NDArray[np.float32]:
        with file.open() as stream:
            return read_recording(stream, audio, name=file.place)

    return audio, decoded(files, decode, (audio.samples,), np.float32, in_file=stays)


def window_seconds(lengths: NDArray[np.float64]) -> float:
    """The length of which 95 % of the recordings are at most, or that of the longest where it is at most half as long
    again; rounded up to a tenth of a second."""
    longest, usual = float(lengths.max()), float(np.quantile(lengths, _QUANTILE))
    chosen = longest if longest <= _MUCH_LONGER * usual else usual
    return math.ceil(round(chosen * 10, 6)) / 10


def _header(file: File) -> tuple[int, int]:
    if file.size == 0:
        raise InputError(f"{file.place} is empty (0 bytes): remove it, or copy it again")
    with file.open() as stream:
        return recording_header(stream, name=file.place)
