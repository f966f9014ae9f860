"""`edgepress listen`: recordings, tables and arrays as if live; one line for what cannot be heard."""

import json
import time

import numpy as np
import pytest
from click.testing import CliRunner
from kinds import wav
from streams import SHAKE, shake_bundle, tones_at, tones_bundle

from edgepress.cli import main
from edgepress.runtime import Task
from edgepress.runtime.stream.sources import open_source, paced

TIMES = [(0.4, "low"), (1.3, "high")]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tones_bundle(tmp_path_factory.mktemp("tones") / "bundle")


@pytest.fixture
def recording(tmp_path):
    pytest.importorskip("soundfile", reason="needs the audio extra")
    path = tmp_path / "tones.wav"
    path.write_bytes(wav(tones_at(TIMES, 2)))
    return path


def test_a_recording_is_told_in_words_in_lines_and_as_one_object(bundle, recording):
    done = run("listen", bundle, recording, "--variant", "float32")
    assert done.exit_code == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert [(line[0], line[2]) for line in words] == [("0.40", "low"), ("1.30", "high")]
    one = json.loads(run("listen", bundle, recording, "--variant", "float32", "--json").stdout)
    assert [(event["time"], event["label"]) for event in one["events"]] == TIMES
    assert (one["seconds"], one["source"], one["backend"]) == (2.0, str(recording), "onnxruntime")
    lines = run("listen", bundle, recording, "--variant", "float32", "--lines").stdout.splitlines()
    assert [json.loads(line) for line in lines] == one["events"]
    few = run("listen", bundle, recording, "--variant", "float32", "--ignore", "low", "--gate-db", "9", "--json")
    assert [event["label"] for event in json.loads(few.stdout)["events"]] == ["high"]


def test_quiet_sound_is_named_and_a_stated_gain_makes_it_heard(bundle, recording):
    recording.write_bytes(wav(tones_at(TIMES, 2, loud=0.0005, noise=0.0001)))
    silent = run("listen", bundle, recording, "--variant", "float32")
    assert (silent.exit_code, silent.stdout, len(silent.stderr.splitlines())) == (0, "", 1)
    assert "the loudest moment has -69 dB" in silent.stderr
    assert "--gain-db" in silent.stderr
    louder = run("listen", bundle, recording, "--variant", "float32", "--gain-db", "50", "--json")
    assert [event["label"] for event in json.loads(louder.stdout)["events"]] == ["low", "high"]
    assert louder.stderr == ""
    recording.write_bytes(wav(tones_at(TIMES, 2)))
    cut = run("listen", bundle, recording, "--variant", "float32", "--gain-db", "20")
    assert "samples were beyond full scale after --gain-db 20" in cut.stderr


def test_a_recording_of_another_rate_and_two_channels(bundle, tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
    sound = tones_at(TIMES, 2, rate=22_050)
    soundfile.write(tmp_path / "a.flac", np.stack([sound, sound], axis=1), 22_050)
    events = json.loads(run("listen", bundle, tmp_path / "a.flac", "--variant", "float32", "--json").stdout)["events"]
    assert [event["label"] for event in events] == ["low", "high"]


def test_in_real_time_a_file_takes_as_long_as_it_lasts(bundle, recording):
    recording.write_bytes(wav(tones_at([(0.2, "low")], 0.7)))
    start = time.monotonic()
    done = run("listen", bundle, recording, "--variant", "float32", "--realtime")
    assert done.exit_code == 0
    assert time.monotonic() - start >= 0.7


def test_a_table_and_an_array_of_a_signal(tmp_path):
    folder = shake_bundle(tmp_path / "bundle", Task("multiclass", "logits", ("still", "shaken")))
    samples = np.zeros((200, 2))
    samples[:, 0], samples[100:] = 3, (0, 3)
    np.save(tmp_path / "a.npy", samples)
    rows = "\n".join(f"{y:g},{i},{x:g}" for i, (x, y) in enumerate(samples.tolist()))
    (tmp_path / "a.csv").write_text(f"y,second,x\n{rows}\n")
    for name in ("a.npy", "a.csv"):
        done = run("listen", folder, tmp_path / name, "--variant", "float32", "--json")
        events = json.loads(done.stdout)["events"]
        assert [event["label"] for event in events] == ["still", "shaken"]
        assert events[1]["until"] == pytest.approx(2.3, abs=0.15)
    (tmp_path / "b.csv").write_text("x,y\n1,2\n3,\n")
    (tmp_path / "c.csv").write_text("x\n1\n")
    (tmp_path / "d.npy").write_bytes(b"no array")
    for name, words in (
        ("b.csv", "line 3"),
        ("c.csv", "y is missing"),
        ("d.npy", "no array"),
        ("none.npy", "does not exist"),
        ("microphone", "microphone for a model of signals"),
    ):
        refused = run("listen", folder, name if name == "microphone" else tmp_path / name, "--variant", "float32")
        assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
        assert words in refused.stderr
    assert run("listen", folder, tmp_path / "a.npy", "--variant", "float32", "--rate", "100").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.wav",), "does not exist"),
        (("{folder}/text.wav",), "WAV or FLAC"),
        (("{folder}/none.wav",), "does not exist"),
        (("{recording}", "--hop", "9"), "hop 9"),
        (("{recording}", "--gain-db", "90"), "-60 to 60"),
        (("{recording}", "--gain-db", "nan"), "-60 to 60"),
        (("{recording}", "--ignore", "silence"), "low, middle, high"),
        (("{recording}", "--lines", "--json"), "one of them"),
    ],
)
def test_what_cannot_be_heard_is_one_line(bundle, recording, tmp_path, arguments, words):
    (tmp_path / "text.wav").write_text("no sound at all")
    filled = [each.format(folder=tmp_path, recording=recording) for each in arguments]
    done = run("listen", bundle, *filled, "--variant", "float32")
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert words in done.stderr


def test_a_microphone_that_is_not_there_is_one_line(bundle):
    done = run("listen", bundle, "--variant", "float32", "--device", "no such microphone")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    # The package, the library that it calls, or the microphone: whatever is missing here.
    assert any(words in done.stderr for words in ("edgepress[microphone]", "PortAudio", "no microphone"))


def test_chunks_come_when_they_would_live(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((15, 2)))
    source = open_source(str(tmp_path / "a.npy"), SHAKE)
    start = time.monotonic()
    came = [(len(chunk), time.monotonic() - start) for chunk in paced(source, 50.0)]
    assert [count for count, _ in came] == [5, 5, 5]
    assert all(at >= 0.1 * (i + 1) for i, (_, at) in enumerate(came))
