"""`Model.stream`: chunks of any size in, events with their time out."""

import tracemalloc

import numpy as np
import pytest
from kinds import make_kind
from streams import RATE, SHAKE, TONES, shake_bundle, tones_at, tones_bundle

from edgepress.runtime import InputError, Task, load
from edgepress.runtime.contract import Audio, Signal
from edgepress.runtime.stream import Settings
from edgepress.runtime.stream.gate import Gate

TIMES = [(0.4, "low"), (1.3, "high"), (2.5, "middle"), (3.3, "middle"), (4.61, "low")]
ONE_LABEL = Task("multiclass", "logits", ("still", "shaken"))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    with load(tones_bundle(tmp_path_factory.mktemp("tones") / "bundle"), "float32") as model:
        yield model


@pytest.fixture
def shake(tmp_path):
    """The model of signals for a task."""
    models = []

    def shake(task, contract=SHAKE):
        models.append(load(shake_bundle(tmp_path / task.kind, task, contract), "float32"))
        return models[-1]

    yield shake
    for model in models:
        model.close()


def heard(events):
    return [(event.time, event.answer["label"]) for event in events]


def assert_heard(events, times, within=0.03):
    found = heard(events)
    assert [name for _, name in found] == [name for _, name in times]
    assert np.allclose([time for time, _ in found], [time for time, _ in times], atol=within)
    assert all(0.5 <= event.answer["probability"] <= 1 and event.time < event.until for event in events)


def test_sounds_are_heard_where_they_begin_however_the_stream_is_cut(tones):
    sound = tones_at(TIMES, 5)
    whole = list(tones.stream().listen([sound]))
    assert_heard(whole, TIMES)
    rng = np.random.default_rng(1)
    for count in (1, 7, 400, 3000):
        cuts = np.sort(rng.integers(0, len(sound), count))
        stream = tones.stream()
        assert list(stream.listen(np.split(sound, cuts))) == whole
        assert stream.time == 5
    assert list(tones.stream().listen(sound[:8000, None].reshape(-1, 1))) == list(tones.stream().listen([sound[:8000]]))


@pytest.mark.parametrize("offset", [0.05, -0.3])
def test_a_constant_offset_is_no_part_of_a_sound(tmp_path, offset):
    """As cheap microphones have; `hum` is what an offset looks like to a model."""
    sound = tones_at([(0.05, "high"), (1.5, "middle"), (2.8, "high")], 3.0)
    with load(tones_bundle(tmp_path / "hum", tones=TONES | {"hum": 1.0}), "float32") as model:
        expected = heard(model.stream().listen([sound]))
        assert [label for _, label in expected] == ["high", "middle", "high"]
        moved = sound + np.float32(offset)
        assert heard(model.stream().listen([moved])) == expected
        # Without a gate windows are the model's as they come.
        assert "hum" in {label for _, label in heard(model.stream(gate_db=0).listen([moved]))}


def test_a_gain_gives_what_louder_sound_gives(tones):
    sound = tones_at(TIMES, 5)
    quiet = tones.stream(gain_db=40)
    assert heard(quiet.listen([sound / 100])) == heard(tones.stream().listen([sound]))
    assert quiet.cut_off == 0
    assert quiet.loudest_db == pytest.approx(20 * np.log10(0.2 / np.sqrt(2)), abs=0.5)
    loud = tones.stream(gain_db=20)
    list(loud.listen([sound]))
    assert loud.cut_off > 1000
    assert np.isnan(tones.stream(gate_db=0).loudest_db)


def test_sound_may_be_integers_or_of_several_channels(tones):
    whole = (tones_at(TIMES, 5) * 32768).astype(np.int16)
    expected = list(tones.stream().listen([whole]))
    assert_heard(expected, TIMES)
    assert list(tones.stream().listen([whole / 32768])) == expected
    assert list(tones.stream().listen([np.stack([whole, whole], axis=1)])) == expected


@pytest.mark.parametrize("rate", [16_000, 44_100, 11_025.0])
def test_sound_of_another_rate_is_resampled(tones, rate):
    pytest.importorskip("soxr", reason="needs the audio extra")
    sound = tones_at(TIMES, 5, rate=rate)
    stream = tones.stream(rate)
    assert_heard(list(stream.listen(np.array_split(sound, 60))), TIMES)
    assert stream.time == pytest.approx(5, abs=0.001)


def test_a_sound_at_either_end_is_heard(tones):
    times = [(0.0, "high"), (1.85, "low")]
    assert_heard(list(tones.stream().listen([tones_at(times, 2, length=0.15)])), times)
    assert_heard(list(tones.stream().listen([tones_at([(0.05, "low")], 0.2, length=0.15)])), [(0.05, "low")])
    assert list(tones.stream().listen([])) == []


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.01, 0.2])
def test_there_is_nothing_to_hear_in_noise(tones, noise):
    sound = np.clip(tones_at([], 30, noise=noise), -1, 1) + np.float32(0.1)
    assert list(tones.stream().listen([sound.clip(-1, 1)])) == []
    # A click is louder than all, and no sound.
    sound[100_000:100_040] = 0.9
    assert list(tones.stream().listen([sound.clip(-1, 1)])) == []


def test_the_background_may_grow_louder(tones):
    rng = np.random.default_rng(3)
    times = [(2.0, "low"), (28.0, "high")]
    sound = tones_at(times, 30)
    sound[8 * RATE :] += rng.normal(0, 0.02, 22 * RATE).astype(np.float32)
    assert_heard(list(tones.stream().listen([sound])), times)


def test_sounds_close_to_each_other_are_each_told(tones):
    names = ["low", "high", "high", "middle", "low", "low", "middle"]
    times = [(1 + 0.27 * i, name) for i, name in enumerate(names)]
    assert_heard(list(tones.stream().listen([tones_at(times, 5, length=0.11)])), times)


def test_the_same_again_is_told_after_the_refractory_time(tones):
    times = [(1.0, "low"), (1.4, "low"), (1.8, "low")]
    assert_heard(list(tones.stream(refractory=0.1).listen([tones_at(times, 3, length=0.1)])), times)
    rare = tones.stream(refractory=0.7).listen([tones_at(times, 3, length=0.1)])
    assert_heard(list(rare), [times[0], times[2]])


def test_a_label_can_be_no_event(tones):
    found = tones.stream(ignore=["middle", "low"]).listen([tones_at(TIMES, 5)])
    assert_heard(list(found), [(1.3, "high")])


def test_several_labels_begin_each_for_itself(tmp_path):
    sound = tones_at([(1.0, "low"), (1.5, "high")], 4, length=1.0)
    with load(tones_bundle(tmp_path / "bundle", "multilabel"), "float32") as model:
        stream = model.stream()
        assert stream.settings.gate_db == 0
        events = list(stream.listen([sound]))
    assert [event.answer["label"] for event in events] == ["low", "high"]
    assert np.allclose([event.until for event in events], [1.2, 1.7], atol=0.1)


def test_signals_tell_when_another_class_begins(shake):
    model = shake(ONE_LABEL)
    samples = np.zeros((500, 2))
    samples[:, 0], samples[200:300] = 3, (0, 3)
    stream = model.stream()
    events = list(stream.listen(np.array_split(samples, 77)))
    assert [event.answer["label"] for event in events] == ["still", "shaken", "still"]
    assert np.allclose([event.until for event in events], [0.4, 4.3, 6.3], atol=0.15)
    assert stream.time == 10


def test_values_and_outputs_come_with_every_window(shake):
    # Small changes of a pressure in pascals, which float32 does not hold.
    samples = np.random.default_rng(0).normal((101_325, 0), (1e-3, 1), (60, 2))
    contract = SHAKE._replace(mean=(101_325.0, 0.0), std=(1e-3, 1.0))
    task = Task("regression", "values", ("speed", "height"), units=("m/s", "m"))
    model = shake(task, contract)
    events = list(model.stream(hop=0.1, smooth=0).listen([samples]))
    starts = range(0, 41, 5)
    expected = model.predict(np.stack([samples[start : start + 20] for start in starts]))
    assert [event.to_dict() for event in events] == [
        {"time": start / 50, "until": (start + 20) / 50, **row}
        for start, row in zip(starts, expected.rows(), strict=True)
    ]
    smoothed = list(model.stream(hop=0.1, smooth=0.3).listen([samples]))[-1]
    assert smoothed.answer["values"]["height"] == pytest.approx(expected.values[-3:, 1].mean())
    raw = list(shake(Task("raw", "raw")).stream(hop=0.4).listen([samples]))
    assert [set(event.answer["outputs"]) for event in raw] == [{"y"}] * 3


def test_anomalies_tell_when_it_stops_being_normal_and_when_it_is_again(shake):
    model = shake(Task("anomaly", "reconstruction", threshold=0.5))
    samples = np.zeros((500, 2))
    samples[200:300] = 2
    events = list(model.stream().listen([samples]))
    assert [event.answer["normal"] for event in events] == [False, True]
    assert np.allclose([event.until for event in events], [4.1, 6.4], atol=0.15)
    assert events[0].answer["score"] > 0.5 >= events[1].answer["score"]


def test_memory_is_constant(tones):
    sound = tones_at([(0.4, "low")], 1)
    stream = tones.stream()

    def listen(seconds):
        tracemalloc.reset_peak()
        for _ in range(seconds):
            stream.push(sound)
        return tracemalloc.get_traced_memory()

    tracemalloc.start()
    try:
        listen(12)
        before, _ = listen(3)
        after, peak = listen(20)
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
    assert peak < 3_000_000


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (np.zeros((2, 2, 2)), "(n,) or (n, channels)"),
        (np.zeros(4, np.int32), "int16"),
        (np.array([0.0, 1.5]), "1.5"),
        (np.array([0.0, np.nan]), "nan"),
        (["a"], "int16"),
    ],
)
def test_what_is_no_sound_is_refused(tones, chunk, words):
    with pytest.raises(InputError, match=r"(?s).*" + words.replace("(", r"\(").replace(")", r"\)")):
        tones.stream().push(chunk)


def test_what_is_no_signal_is_refused(shake):
    model = shake(ONE_LABEL)
    for chunk, words in ((np.zeros((3, 3)), "n, 2"), (np.zeros(2), "n, 2"), (np.full((1, 2), np.inf), "infinity")):
        with pytest.raises(InputError, match=words):
            model.stream().push(chunk)
    with pytest.raises(InputError, match="bring the signal to that rate"):
        model.stream(100)


def test_a_finished_stream_takes_no_more(tones):
    stream = tones.stream()
    stream.finish()
    for call in (stream.finish, lambda: stream.push(np.zeros(3))):
        with pytest.raises(InputError, match="finished"):
            call()


def test_models_of_other_inputs_are_refused(tmp_path):
    with (
        load(make_kind(tmp_path / "wine", "features"), "float32") as model,
        pytest.raises(InputError, match="features"),
    ):
        model.stream()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hop": 0}, "hop 0"),
        ({"hop": 9}, "window"),
        ({"smooth": -1}, "smooth"),
        ({"refractory": float("inf")}, "refractory"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"gate_db": 200}, "gate"),
        ({"ignore": "silence"}, "low, middle, high"),
    ],
)
def test_settings_that_no_stream_can_have_are_refused(given, words):
    task = Task("multiclass", "logits", tuple(TONES))
    with pytest.raises(InputError, match=words):
        Settings.usual(Audio(8000, 8000), task, 1.0, **given)


def test_a_gate_is_for_sound_and_a_rate_is_needed(tones):
    with pytest.raises(InputError, match="gate is for sound"):
        Settings.usual(SHAKE, ONE_LABEL, 0.4, gate_db=6)
    with pytest.raises(InputError, match="gain is for sound"):
        Settings.usual(SHAKE, ONE_LABEL, 0.4, gain_db=6)
    assert Settings.usual(SHAKE, ONE_LABEL, 0.4).gate_db == 0
    with pytest.raises(InputError, match="above 0"):
        tones.stream(float("nan"))
    # One sample of a second would become 8,000.
    for rate in (1.0, 2e6):
        with pytest.raises(InputError, match="160 to 1,000,000"):
            tones.stream(rate)


def test_a_signal_without_a_rate_needs_one(shake):
    model = shake(ONE_LABEL, Signal(20, ("x", "y")))
    with pytest.raises(InputError, match="give rate"):
        model.stream()
    assert model.stream(50).settings.hop == pytest.approx(0.025)


def test_the_gate_tells_a_sound_from_a_click_and_a_whole_one_from_its_end():
    sound = tones_at([(1.0, "low")], 3, length=0.5)
    sound[2 * RATE : 2 * RATE + 300] = 0.9
    gate = Gate(RATE, 6.0, len(sound))
    gate.push(sound + np.float32(0.05))
    assert gate.loudest(0, RATE) is None
    assert gate.loudest(2 * RATE - 400, 3 * RATE) is None
    assert gate.loudest(RATE - 400, 2 * RATE) == (RATE, True)
    onset, whole = gate.loudest(RATE + 1600, 2 * RATE)
    assert (onset < RATE + 1600, whole) == (True, False)
