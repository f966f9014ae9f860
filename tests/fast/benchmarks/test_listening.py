"""The study that counts what a stream finds, on tones in place of words."""

import itertools

import numpy as np
import pytest
from kinds import wav
from streams import TONES, tones_at, tones_bundle

from edgepress.benchmarks.studies.listening import Word, compare, main, make_minute, words_of
from edgepress.runtime import InputError

pytest.importorskip("soundfile", reason="needs the audio extra")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tones"
    for part in ("train", "test"):
        for name in TONES:
            (folder / part / name).mkdir(parents=True)
            for i in range(4):
                tone = tones_at([(0, name)], 0.2 + 0.02 * i, length=0.2, noise=0)
                (folder / part / name / f"{i}.wav").write_bytes(wav(tone))
    return folder


def test_a_minute_holds_ten_words_where_it_says(data):
    sound, said = make_minute(words_of(data, "test"), 8000, -60, seed=1)
    assert sound.shape == (480_000,)
    assert len(said) == 10
    assert all(b.time - a.time > 0.5 for a, b in itertools.pairwise(said))
    loud = [np.abs(sound[round(word.time * 8000) :][:800]).mean() for word in said]
    assert min(loud) > 0.05
    assert np.abs(sound[:1000]).max() < 0.01


def test_every_word_is_found_once_and_what_was_not_said_counts():
    said = [Word(1.0, "a"), Word(2.0, "b"), Word(3.0, "a")]
    assert compare(said, said) == (3, 0)
    assert compare(said, [Word(1.29, "a"), Word(2.31, "b"), Word(1.1, "a"), Word(3.0, "b")]) == (1, 3)


def test_tones_are_all_found_and_the_page_says_so(data, tmp_path, capsys):
    bundle = tones_bundle(tmp_path / "bundle")
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: listening -->\n<!-- end -->\n")
    arguments = [
        str(bundle),
        "--data",
        str(data),
        "--variant",
        "float32",
        "--minutes",
        "1",
        "--noise",
        "-60",
        "--pages",
        str(page),
    ]
    assert main(arguments) == 0
    assert "| -60 dB | 0 | 10 | 10 | 0 | 1 of 1 |" in page.read_text()
    assert "10 of 10 found, 0 besides" in capsys.readouterr().out


def test_quiet_minutes_are_found_with_a_gain(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("edgepress.benchmarks.studies.listening._LEVELS_DB", (-50,))
    bundle = tones_bundle(tmp_path / "bundle")
    arguments = ["--data", str(data), "--variant", "float32", "--minutes", "1", "--noise", "-60", "--levels"]
    assert main([str(bundle), *arguments]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| -50 dB")]
    assert rows == ["| -50 dB | 0 dB | 10 | 0 | 0 |", "| -50 dB | 50 dB | 10 | 10 | 0 |"]


def test_what_is_not_found_is_a_failure(data, tmp_path):
    bundle = tones_bundle(tmp_path / "bundle")
    other = data / "test" / "low"
    moved = other.rename(data / "test" / "strange")
    try:
        assert main([str(bundle), "--data", str(data), "--variant", "float32", "--minutes", "1", "--noise", "-60"]) == 1
    finally:
        moved.rename(other)
    with pytest.raises(InputError, match="no test part"):
        words_of(data / "train", "test")
