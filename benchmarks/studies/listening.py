"""How many spoken words a bundle finds in minutes of sound, where, and what it hears that nobody said.

    python -m edgepress.benchmarks.studies.listening bundle --data spoken-digits.zip --pages docs/listen.md

Each minute holds ten recordings of the data's test part at known times, over white noise of a level below full scale.
It is written as a WAV file of 16 bits, which is read as `edgepress listen` reads it. A word is found where its label is
told within 0.3 s of its beginning. The usual settings of a stream were chosen on minutes made from the training part:
`--choose` prints that table. `--levels` makes whole minutes quieter, as a microphone far away does, and listens to them
as they are and with the gain that makes up for it. Exit status 1: the first minute over the quietest noise misses what
it must show.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgepress.base.extras import require
from edgepress.base.tables import markdown_table
from edgepress.data.readers.files import File, part_of, read_folder
from edgepress.runtime import InputError, Model, load
from edgepress.runtime.contract import Audio
from edgepress.runtime.stream.sources import open_source

from .page.figures import insert_figures

__all__ = ["Heard", "Word", "compare", "hear", "make_minute", "words_of"]

_SECONDS = 60.0
_WORDS = 10
_MARGIN_S = 0.3
"""Between two words at least; and how far a word may be told from where it begins."""
_NOISES_DB = (-60, -50, -40)
_OFFSET = 0.1
"""Of a cheap microphone: a constant beside the sound."""
_LEVELS_DB = (0, -10, -20, -30, -40)
"""Of whole minutes, words and noise."""
_LEAST_FOUND, _MOST_FALSE, _MOST_FACTOR = 9, 1, 0.1


class Word(NamedTuple):
    """A word that was said."""

    time: float
    """Where it begins, in seconds."""
    label: str


class Heard(NamedTuple):
    """What came of some minutes."""

    said: int
    found: int
    false: int
    good_minutes: int
    """In which at least 9 of 10 words were found, and at most 1 was heard that was not said."""
    factor: float
    """Processor seconds a second of sound, on one core."""


def words_of(data: Path, part: str) -> dict[str, list[File]]:
    """The recordings of a part of class folders, by their label.

    Raises:
        InputError: No such part, or none with recordings.
    """
    top = read_folder(data)
    while len(top.folders) == 1 and not top.files:
        top = next(iter(top.folders.values()))
    for name, folder in top.folders.items():
        if part_of(name) == part:
            found = {label: list(inner.walk()) for label, inner in folder.folders.items()}
            if sum(map(len, found.values())) >= _WORDS:
                return found
    raise InputError(f"{data} has no {part} part with {_WORDS} recordings: name class folders in train and test")


def make_minute(words: Mapping[str, Sequence[File]], rate: int, noise_db: float, seed: int) -> tuple[Any, list[Word]]:
    """A minute of sound, float32 (n,), and what is said in it.

    Args:
        words: Recordings by label.
        rate: In Hz.
        noise_db: Level of the noise, in dB below full scale.
        seed: Which recordings, where, and the noise.
    """
    rng, soundfile = np.random.default_rng(seed), require("soundfile", extra="audio")
    listed = [(label, file) for label, files in words.items() for file in files]
    sound = rng.normal(0, 10 ** (noise_db / 20), round(_SECONDS * rate))
    said, slot = [], _SECONDS / _WORDS
    for i, choice in enumerate(rng.choice(len(listed), _WORDS, replace=False)):
        label, file = listed[choice]
        with file.open() as stream:
            samples, own = soundfile.read(stream, dtype="float32", always_2d=True)
        word = samples.mean(axis=1)
        if own != rate:
            word = require("soxr", extra="audio").resample(word, own, rate)
        latest = slot - len(word) / rate - _MARGIN_S
        if latest < _MARGIN_S:
            raise InputError(f"{file.place} lasts {len(word) / rate:.1f} s: words of at most {slot:g} s are allowed")
        at = round((i * slot + rng.uniform(_MARGIN_S, latest)) * rate)
        sound[at : at + len(word)] += word
        said.append(Word(at / rate, label))
    return np.clip(sound, -1, 1).astype(np.float32), said


def hear(model: Model, file: Path, **settings: Any) -> tuple[list[Word], float]:
    """What the model hears in a recording, and the processor seconds that it took."""
    assert model.contract is not None
    began = time.process_time()
    contract = model.contract.only
    if not isinstance(contract, Audio):
        raise InputError(f"{model.artifact.file} takes no sound: name a bundle that was made from recordings")
    source = open_source(str(file), contract)
    events = list(model.stream(source.rate, **settings).listen(source.chunks))
    took = time.process_time() - began
    return [Word(event.time, event.answer["label"]) for event in events], took


def compare(said: Sequence[Word], heard: Sequence[Word]) -> tuple[int, int]:
    """How many words were found, each once, and how much was heard besides."""
    left, found = list(said), 0
    for word in heard:
        match = next((each for each in left if each.label == word.label and _near(each, word)), None)
        if match is not None:
            left.remove(match)
            found += 1
    return found, len(heard) - found


def _near(one: Word, other: Word) -> bool:
    return abs(one.time - other.time) <= _MARGIN_S


def _minutes(
    model: Model,
    words: Mapping[str, Sequence[File]],
    noise_db: float,
    seeds: range,
    offset: float = 0.0,
    level_db: float = 0.0,
    **settings: Any,
) -> Heard:
    soundfile = require("soundfile", extra="audio")
    counts: list[tuple[int, int]] = []
    seconds = 0.0
    assert model.contract is not None
    rate = getattr(model.contract.only, "rate", 0)
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            sound, said = make_minute(words, rate, noise_db, seed)
            sound = np.clip(sound * np.float32(10 ** (level_db / 20)) + np.float32(offset), -1, 1)
            file = Path(folder, "minute.wav")
            soundfile.write(file, sound, rate, subtype="PCM_16")
            heard, took = hear(model, file, **settings)
            counts.append(compare(said, heard))
            seconds += took
    found, false = np.array(counts).T
    good = int(np.sum((found >= _LEAST_FOUND) & (false <= _MOST_FALSE)))
    said_count = _WORDS * len(seeds)
    return Heard(said_count, int(found.sum()), int(false.sum()), good, seconds / (_SECONDS * len(seeds)))


def _table(model: Model, words: Mapping[str, Sequence[File]], noises_db: Sequence[int], minutes: int) -> Iterator[str]:
    head = (
        "noise",
        "offset",
        "words said",
        "found",
        "heard besides",
        "minutes with 9 found, 1 besides",
        "real-time factor",
    )
    lines = []
    for noise_db, offset in [*((noise_db, 0.0) for noise_db in noises_db), (noises_db[0], _OFFSET)]:
        heard = _minutes(model, words, noise_db, range(minutes), offset)
        good = f"{heard.good_minutes} of {minutes}"
        lines.append(
            (f"{noise_db} dB", f"{offset:g}", heard.said, heard.found, heard.false, good, f"{heard.factor:.4f}")
        )
    yield from markdown_table(head, lines, columns="r")


def _choice(model: Model, words: Mapping[str, Sequence[File]], noises_db: Sequence[int], minutes: int) -> Iterator[str]:
    """The usual settings, and others one at a time. `hop` and `smooth` in windows."""
    assert model.contract is not None
    window = getattr(model.contract.only, "seconds", 1.0)
    usual = {"hop": 1 / 16, "smooth": 0.5, "threshold": 0.5, "gate_db": 6.0}
    others = {"hop": (1 / 8, 1 / 4), "smooth": (0.25, 0.75), "threshold": (0.3, 0.7), "gate_db": (3.0, 9.0, 12.0)}
    tried = [usual, *({**usual, name: value} for name, values in others.items() for value in values)]
    head = ("hop", "smooth", "threshold", "gate", *(f"{db} dB: found, besides" for db in noises_db))
    lines = []
    for each in tried:
        settings = {**each, "hop": each["hop"] * window, "smooth": each["smooth"] * window}
        came = [_minutes(model, words, db, range(minutes), **settings) for db in noises_db]
        shown = [f"{heard.found} of {heard.said}, {heard.false}" for heard in came]
        numbers = (f"1/{round(1 / each['hop'])}", each["smooth"], each["threshold"], f"{each['gate_db']:g} dB")
        lines.append((*numbers, *shown))
    yield from markdown_table(head, lines, columns="r")


def _levels(model: Model, words: Mapping[str, Sequence[File]], noise_db: int, minutes: int) -> Iterator[str]:
    """Minutes that are quieter as a whole, as they are and with the gain that makes up for it."""
    head = ("level", "gain", "words said", "found", "heard besides")
    lines = []
    for level_db in _LEVELS_DB:
        for gain_db in sorted({0, -level_db}):
            came = _minutes(model, words, noise_db, range(minutes), level_db=level_db, gain_db=gain_db)
            lines.append((f"{level_db} dB", f"{gain_db} dB", came.said, came.found, came.false))
    yield from markdown_table(head, lines, columns="r")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the minutes, listen, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="class folders in train and test, or a .zip of them")
    parser.add_argument("--variant", default="int8")
    parser.add_argument("--minutes", type=int, default=20, help="of each level of noise")
    parser.add_argument("--noise", type=int, nargs="+", default=_NOISES_DB, metavar="DB", help="levels, quietest first")
    parser.add_argument("--choose", action="store_true", help="compare settings on the training part")
    parser.add_argument("--levels", action="store_true", help="make the minutes quieter, with a gain and without")
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `listening`")
    options = parser.parse_args(arguments)
    name = "listening-choice" if options.choose else "listening-levels" if options.levels else "listening"
    with load(options.bundle, options.variant) as model:
        if options.choose:
            text, wrong = "\n".join(_choice(model, words_of(options.data, "train"), options.noise, options.minutes)), ""
        elif options.levels:
            levels = _levels(model, words_of(options.data, "test"), options.noise[0], options.minutes)
            text, wrong = "\n".join(levels), ""
        else:
            words = words_of(options.data, "test")
            text = "\n".join(_table(model, words, options.noise, options.minutes))
            shown = _minutes(model, words, options.noise[0], range(1))
            told = f"{shown.found} of {shown.said} found, {shown.false} besides"
            text += f"\n\nThe first minute at {options.noise[0]} dB: {told}."
            good = shown.good_minutes and shown.factor < _MOST_FACTOR
            wrong = "" if good else f"found {shown.found}, besides {shown.false}, factor {shown.factor:.3f}"
        text += f"\n\nOf {model.artifact.file}, {model.artifact.bytes:,} bytes, in {model.backend}."
    print(text)
    for page in options.pages:
        insert_figures(page, name, text)
    if wrong:
        print(f"listening: {wrong}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
