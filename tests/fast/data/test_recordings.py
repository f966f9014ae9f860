"""Class folders of recordings, and one recording for the runtime."""

import io
import logging
import sys

import numpy as np
import pytest

from edgepress.base.errors import MissingExtraError
from edgepress.data import load_dataset
from edgepress.data.readers.class_recordings import window_seconds
from edgepress.runtime import InputError
from edgepress.runtime.contract import Audio
from edgepress.runtime.preprocess.sound import read_recording

soundfile = pytest.importorskip("soundfile")


def tone(seconds, rate, hertz=440.0, channels=1):
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, 1)


def encoded(samples, rate, format="WAV", subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=format, subtype=subtype)
    return stream.getvalue()


@pytest.fixture
def root(tmp_path):
    for name, hertz in (("low", 200.0), ("high", 900.0)):
        (tmp_path / name).mkdir()
        for i in range(5):
            (tmp_path / name / f"{i}.wav").write_bytes(encoded(tone(0.41 + 0.02 * i, 8000, hertz), 8000))
    return tmp_path


def test_windows_of_one_length(root):
    data = load_dataset(root)
    assert (data.labels, data.inputs) == (("high", "low"), {"": Audio(8000, 4000)})
    assert (data.x_train.shape, data.x_train.dtype, data.x_test.shape) == ((8, 4000), np.float32, (2, 4000))
    assert np.abs(data.x_train).max() == pytest.approx(0.5, abs=0.01)
    assert (data.x_test[0][3300:] == 0).all()
    assert load_dataset(root, seconds=0.25).inputs[""].samples == 2000


def test_the_windows_length():
    assert window_seconds(np.array([0.41, 0.52])) == 0.6
    assert window_seconds(np.array([0.5] * 10)) == 0.5
    # One recording that is far longer does not make all of them long.
    assert window_seconds(np.array([1.0] * 99 + [60.0])) == 1.0


def test_other_rates_are_resampled_and_it_is_said_once(root, caplog):
    for i in range(2):
        (root / "high" / f"x{i}.wav").write_bytes(encoded(tone(0.4, 16000), 16000))
    with caplog.at_level(logging.INFO, "edgepress"):
        assert load_dataset(root).inputs[""].rate == 8000
    assert [record.getMessage() for record in caplog.records if "resampled" in record.getMessage()] == [
        "most recordings have 8,000 Hz: 2 of 16,000 Hz are resampled"
    ]


def test_a_resampled_tone_is_the_same_tone():
    audio = Audio(8000, 4000)
    direct = read_recording(encoded(tone(0.5, 8000), 8000), audio)
    for rate in (16000, 44100):
        sampled = read_recording(encoded(tone(0.5, rate), rate), audio)
        assert np.abs(sampled - direct)[100:-100].max() < 0.01


@pytest.mark.parametrize(
    ("format", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("FLAC", None)]
)
def test_formats_and_channels(format, subtype):
    wave = tone(0.5, 8000, channels=2) * [1.0, 0.5]
    read = read_recording(encoded(wave, 8000, format, subtype), Audio(8000, 4000))
    np.testing.assert_allclose(read, wave.mean(1), atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"bad\.wav is empty \(0 bytes\)"),
        (encoded(np.zeros((0, 1)), 8000), r"bad\.wav has no sound \(0 samples\)"),
        (b"RIFF....WAVE", r"bad\.wav cannot be read as WAV or FLAC"),
        (b"words, and no sound at all", r"bad\.wav cannot be read as WAV or FLAC"),
        (encoded(tone(0.1, 8000), 8000, "AIFF"), r"bad\.wav is AIFF: WAV and FLAC are read"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(root, content, message):
    (root / "low" / "bad.wav").write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        load_dataset(root)
    assert "\n" not in str(refused.value)
    assert "0x" not in str(refused.value)


def test_a_recording_that_is_too_long(monkeypatch):
    monkeypatch.setattr("edgepress.runtime.preprocess.sound.MOST_SECONDS", 1)
    with pytest.raises(InputError, match="lasts 2 s: at most 1 s"):
        read_recording(encoded(tone(2, 8000), 8000), Audio(8000, 8000))


def test_a_cut_or_missing_file(tmp_path):
    data = encoded(np.random.default_rng(0).normal(size=8000) * 0.1, 8000, "FLAC")
    with pytest.raises(InputError, match=r"damaged|cannot be read"):
        read_recording(data[: len(data) // 2], Audio(8000, 8000))
    with pytest.raises(InputError, match="does not exist"):
        read_recording(tmp_path / "none.wav", Audio(8000, 8000))


def test_without_soundfile_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgepress\[audio\]'$"):
        load_dataset(root)


def test_not_a_number(tmp_path):
    with pytest.raises(InputError, match="NaN or infinity"):
        read_recording(encoded(np.full(80, np.nan), 8000, subtype="FLOAT"), Audio(8000, 80))
