"""The page's files: complete, local, and twins of the runtime where they compute."""

import base64
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kinds import wav

from edgepress.runtime import Picture, TensorSpec
from edgepress.runtime.contract import NORMALIZATIONS, Audio
from edgepress.runtime.encoding import ClassDecoder, encoder_of
from edgepress.runtime.preprocess.fit import fit_picture
from edgepress.runtime.preprocess.sound import read_recording
from edgepress.runtime.serve.web.words import STATIC, page_picture
from edgepress.runtime.tasks import Task

HERE = Path(__file__).parent
VECTORS = sorted((HERE.parents[1] / "golden/preprocess").glob("*.json"))
TEXTS = {path.name: path.read_text() for path in STATIC.iterdir()}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def node(script, *arguments, **options):
    done = subprocess.run(
        ["node", HERE / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        **options,
    )
    return json.loads(done.stdout)


def encoded(array):
    return {"shape": array.shape, "base64": base64.b64encode(array.tobytes()).decode()}


def test_the_service_worker_stores_every_file_of_the_page():
    listed = set(re.findall(r'"([\w-]+\.\w+)"', TEXTS["service-worker.js"].split("const PAGE")[1].split("]")[0]))
    assert listed == set(TEXTS) - {"service-worker.js"} | {"bundle.json"}


def test_the_page_names_no_other_host():
    for name, text in TEXTS.items():
        text = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[\w-]+\.\w", re.sub(r"^\s*//.*", "", text, flags=re.MULTILINE)), name


def test_files_that_the_page_names_are_there():
    for name, text in TEXTS.items():
        for file in re.findall(r'(?:from|src=|href=|register\()\s*"(?:\./)?([\w-]+\.\w+)"', text):
            assert file in TEXTS, (name, file)


@needs_node
def test_javascript_meets_the_shared_preprocessing_vectors():
    assert len(VECTORS) > 10
    assert node("preprocess_vectors.mjs", STATIC / "preprocess.js", *VECTORS) == {"files": len(VECTORS), "wrong": []}


@needs_node
def test_javascript_equals_python_on_random_pictures_and_contracts(tmp_path):
    """Strokes and noise of any size, colour and polarity, seeded."""
    rng = np.random.default_rng(7)
    files = []
    for number in range(150):
        height, width = rng.integers(1, 90, 2)
        shape = [(height, width), (height, width, 3), (height, width, 4)][number % 3]
        picture = np.full(shape, rng.integers(0, 256), np.uint8)
        for _ in range(rng.integers(0, 4)):
            top, left = rng.integers(0, height), rng.integers(0, width)
            bottom, right = top + rng.integers(1, height + 1), left + rng.integers(1, 9)
            picture[top:bottom, left:right] = rng.integers(0, 256, shape[2:])
        if number % 4 == 0:
            picture = picture + rng.integers(0, 30, shape).astype(np.uint8)
        contract = Picture(
            height=int(rng.integers(8, 33)),
            width=int(rng.integers(8, 33)),
            order=str(rng.choice(["grey", "grey", "rgb"])),
            fit=str(rng.choice(["mnist", "mnist", "stretch", "crop", "pad"])),
            box=int(rng.integers(5, 40)),
            polarity=str(rng.choice(["light-on-dark", "dark-on-light", "as-is"])),
            resampling=str(rng.choice(["area", "bilinear"])),
        )
        vector = {
            "contract": page_picture(contract),
            "picture": encoded(picture),
            "pixels": encoded(np.ascontiguousarray(fit_picture(picture, contract))),
        }
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(vector))
    assert node("preprocess_vectors.mjs", STATIC / "preprocess.js", *files) == {"files": 150, "wrong": []}


@needs_node
@pytest.mark.parametrize("place", ["start", "middle", "loudest"])
def test_javascript_reads_recordings_as_python_does(tmp_path, place):
    soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
    rng = np.random.default_rng(5)
    contract, cases, expected = Audio(8000, 500, place), [], []
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        for channels, length in ((1, 1203), (2, 500), (3, 77)):
            samples = (rng.normal(0, 0.4, (length, channels)) * np.linspace(0, 1.5, length)[:, None]).astype(np.float32)
            file = tmp_path / f"{subtype}-{channels}.wav"
            kind = "WAVEX" if channels == 3 else "WAV"
            soundfile.write(
                file, samples if "F" in subtype or "D" in subtype else samples.clip(-1, 1), 8000, subtype, format=kind
            )
            cases.append(file)
            expected.append(read_recording(file, contract))
    given = json.dumps({"files": list(map(str, cases)), "contract": contract.to_dict()})
    for found, wanted in zip(node("recordings.mjs", STATIC / "recordings.js", input=given), expected, strict=True):
        assert np.array_equal(np.array(found, np.float32), wanted)


@needs_node
@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_javascript_resamples_close_to_python(tmp_path, rate):
    pytest.importorskip("soxr", reason="needs the audio extra")
    contract = Audio(16_000, 16_000)
    rng = np.random.default_rng(6)
    # Noise is the hardest: it fills the band where the filters fall. What people record has little there.
    noise = rng.normal(0, 0.2, rate).clip(-1, 1)
    spoken = np.convolve(noise, np.hanning(31) / np.hanning(31).sum(), "same")
    for name, sound, within in (("noise", noise, 0.003), ("spoken", spoken, 1e-5)):
        file = tmp_path / f"{name}.wav"
        file.write_bytes(wav(sound, rate))
        (found,) = node(
            "recordings.mjs",
            STATIC / "recordings.js",
            input=json.dumps({"files": [str(file)], "contract": contract.to_dict()}),
        )
        expected = read_recording(file, contract)
        apart = np.array(found) - expected
        assert apart[2000:-2000].std() < within * expected.std()
        assert apart.std() < max(within, 1e-3) * expected.std()


@needs_node
def test_javascript_takes_no_other_file_for_a_recording(tmp_path):
    good = wav(np.linspace(-1, 1, 100))
    files = {
        "none": b"",
        "text": b"RIFF of no kind at all",
        "cut": good[:-7],
        "compressed": good.replace(b"\1\0\1\0", b"\2\0\1\0"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    given = json.dumps({"files": [str(tmp_path / name) for name in files], "contract": Audio(8000, 100).to_dict()})
    none, text, cut, compressed = node("recordings.mjs", STATIC / "recordings.js", input=given)
    assert none is text is compressed is None
    assert np.count_nonzero(cut) == 96


@needs_node
def test_channels_are_told_to_be_the_phone_s_sensor_by_name_and_unit():
    event = {
        "accelerationIncludingGravity": {"x": 9.80665, "y": 2, "z": 3},
        "rotationRate": {"alpha": 180, "beta": 90, "gamma": 45},
    }
    turns = [math.pi / 2, math.pi / 4, math.pi]
    cases = [
        (("ax", "ay", "az"), ("m/s2",) * 3, [9.80665, 2, 3]),
        (("acc_x", "Accelerometer Z"), (), [9.80665, 3]),
        (("x", "z"), ("g", "m/s^2"), [1, 3]),
        (("body_acc_x", "body gyro.y"), ("g", "deg/s"), [1, 45]),
        (("gx", "gy", "gz"), ("rad/s",) * 3, turns),
        (("gyro_x", "gyro_y", "gyro_z"), (), turns),
        (("x", "y", "z"), (), None),
        (("channel0", "ax"), (), None),
        (("magnetometer_x",), ("uT",), None),
        (("ax",), ("ft/s2",), None),
        (("tax",), (), None),
    ]
    given = [{"channels": channels, "units": units, "rate": 50} for channels, units, _ in cases]
    moments = [[0.0, 0.0], [0.1, 1.0], [0.3, 5.0]]
    answer = node("motion.mjs", STATIC / "motion.js", input=json.dumps([given, event, moments]))
    for found, (channels, _, wanted) in zip(answer["read"], cases, strict=True):
        assert (found is None) == (wanted is None), channels
        assert wanted is None or found == pytest.approx(wanted), channels
    assert answer["window"] == [[pytest.approx(value)] for value in (0.0, 1.0, 3.0, 5.0)]


@needs_node
def test_a_wrong_vector_is_found(tmp_path):
    vector = json.loads(VECTORS[0].read_text())
    pixels = bytearray(base64.b64decode(vector["pixels"]["base64"]))
    pixels[100] ^= 1
    vector["pixels"]["base64"] = base64.b64encode(pixels).decode()
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(vector))
    assert node("preprocess_vectors.mjs", STATIC / "preprocess.js", wrong)["wrong"] == [str(wrong)]


@needs_node
@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"),
    [
        ("float32", None, None),
        ("int8", 1 / 255, -128),
        ("uint8", 0.003921568859368563, 0),
        ("int8", 0.007, -3),
        ("uint8", 1.0, 0),
    ],
)
@pytest.mark.parametrize(
    ("order", "mean", "std"),
    [
        ("grey", (0.0,), (255.0,)),
        ("rgb", (127.5,), (127.5,)),
        ("rgb", *NORMALIZATIONS["imagenet"][1:]),
        NORMALIZATIONS["caffe"],
    ],
)
def test_javascript_encodes_inputs_and_decodes_outputs_as_python_does(dtype, scale, zero_point, order, mean, std):
    contract = Picture(16, 16, order=order, mean=mean, std=std)
    spec = TensorSpec("x", (-1, *contract.shape), dtype, scale, zero_point)
    pixels = np.arange(contract.size).astype(np.uint8)[::-1].copy()
    encoder = encoder_of(spec, contract)
    expected = encoder.encode(encoder.rows(pixels.reshape(1, *contract.shape)))
    outputs = np.random.default_rng(0).normal(0, 40, (5, 10)).clip(-128, 127).astype(np.int8)
    output_spec = TensorSpec("y", (-1, 10), "int8", 0.11, 3)
    decoded = ClassDecoder(output_spec, Task("multiclass", "logits")).probabilities(outputs)
    given = {
        "contract": page_picture(contract),
        "input": {"dtype": dtype, "scale": scale, "zero_point": zero_point},
        "output": {"scale": 0.11, "zero_point": 3},
        "pixels": pixels.tolist(),
        "values": outputs.ravel().tolist(),
    }
    answer = node("tensors.mjs", STATIC / "tensors.js", input=json.dumps(given))
    assert np.array_equal(np.array(answer["values"], expected.dtype), expected.ravel())
    assert np.allclose(answer["probabilities"], decoded, rtol=1e-5, atol=1e-7)
