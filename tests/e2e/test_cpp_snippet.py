"""The C++ snippet of the documentation: compiled, and held to the runtime on every kind of contract and task.

It gets the header's constants and a stand-in for TensorFlow Lite Micro's interface, whose headers no package ships.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kinds import KINDS, SOUND, WINE, wine_rows

from edgepress.base.errors import InputError
from edgepress.export.companions import micro
from edgepress.runtime import Quantization, Task, TensorSpec, load
from edgepress.runtime.contract import Audio, Features, Picture, Signal, Tensor
from edgepress.runtime.contract.features import MISSING
from edgepress.runtime.encoding import encoder_of
from edgepress.runtime.tasks.decode import DECODERS
from edgepress.runtime.tasks.multiclass import probabilities

pytestmark = pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler is installed")

ROOT = Path(__file__).parents[2]
SNIPPETS, GOLDEN, STUBS = ROOT / "docs/snippets", ROOT / "tests/golden", Path(__file__).parent / "stubs/micro"
FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
STEPS = ("int8", 0.037, -11)
"""Type, scale and zero point of each input here; those of the outputs."""
GIVES = Quantization(0.05, 7, "int8")

CASES = {
    **KINDS,
    "grey": (Picture(5, 7), Task("binary", "probabilities", ("no", "yes")), 1),
    "two sigmoids": (Signal(6, ("x",)), Task("binary", "probabilities", ("no", "yes")), 2),
    "probabilities": (Tensor((3,)), Task("multiclass", "probabilities", ("a", "b", "c")), 3),
    "label sets": (Tensor((3,)), Task("multilabel", "probabilities", ("a", "b"), threshold=0.25), 2),
    "unknown": (Tensor((3,)), Task("multiclass", "logits", ("a", "b"), unknown_threshold=0.9), 2),
    "plain values": (Tensor((3,)), Task("regression", "values"), 2),
}


def header(folder, inputs, task):
    meaning = list(inputs.items()), task
    (folder / "pressed-int8.h").write_text(micro._header("pressed-int8", b"model", 1024, meaning))


def build(folder):
    command = ["c++", *FLAGS, f"-I{folder}", f"-I{STUBS}", f"-I{SNIPPETS}", STUBS / "main.cc", "-o", folder / "predict"]
    subprocess.run(command, check=True)


def ask(folder, given):
    """What the snippet says of one example: for each input a row, a recording, or numbers."""
    lines = []
    for form, values in given:
        if form == "row":
            texts = (line for name, value in values.items() for line in (name, "" if value is None else str(value)))
            lines += [f"row {len(values)}", *texts]
        else:
            lines += [f"{form} {np.size(values)}", " ".join(repr(float(value)) for value in np.ravel(values))]
    (folder / "given").write_text("\n".join(lines) + "\n")
    return json.loads(subprocess.check_output([folder / "predict"], cwd=folder))


def tensors(folder, inputs, outputs):
    rows = [f"{each.size} {STEPS[1]} {STEPS[2]}" for each in inputs]
    rows += [f"{outputs.size} {GIVES.scale} {GIVES.zero_point}", " ".join(map(str, outputs.ravel()))]
    (folder / "tensors").write_text("\n".join([str(len(inputs)), *rows]))


def example(each, rng):
    """What the snippet is given and the numbers that the runtime makes of it."""
    if isinstance(each, Features):
        row = wine_rows(3)[2]
        return ("row", row), each.numbers([row])
    if isinstance(each, Audio):
        sound = rng.normal(0, 0.2, 1777).clip(-1, 1).astype(np.float32)
        return ("window", sound), each.window(sound)[None]
    if isinstance(each, Picture):
        pixels = rng.integers(0, 256, (1, *each.shape), np.uint8)
        return ("numbers", pixels), pixels
    numbers = rng.normal(0, 1, (1, *each.shape))
    return ("numbers", numbers), each.numbers(numbers)


def decoded(task, reals, outputs):
    """The row that the runtime gives."""
    if task.classifies:
        (found,) = probabilities(task, outputs)
        unknown = task.unknown_threshold is not None and bool(found.max() < task.unknown_threshold)
        return {"label": int(np.argmax(found)), "unknown": unknown, "numbers": found}
    decode = DECODERS.get(task.kind)
    if decode is None:
        return {"numbers": outputs[0]}
    (row,) = decode(task, reals, outputs).rows()
    if task.kind == "multilabel":
        names = task.labels
        return {"has": [int(name in row["labels"]) for name in names], "numbers": row["probabilities"]}
    if task.kind == "anomaly":
        return {"normal": row["normal"], "numbers": [row["score"]]}
    return {"numbers": list(row["values"].values())}


@pytest.mark.parametrize("kind", CASES)
def test_it_prepares_and_decodes_every_kind(kind, tmp_path):
    contract, task, count = CASES[kind]
    inputs = contract if isinstance(contract, dict) else {"x": contract}
    header(tmp_path, inputs, task)
    build(tmp_path)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        low = GIVES.zero_point if task.meaning == "probabilities" else -40
        outputs = rng.integers(low, 27, (1, count)).astype(np.int8)
        tensors(tmp_path, inputs.values(), outputs)
        given, reals = [], []
        for i, (name, each) in enumerate(inputs.items()):
            spoken, numbers = example(each, rng)
            given.append(spoken)
            encoder = encoder_of(TensorSpec(name, (-1, *each.shape), *STEPS), each)
            rows = encoder.rows(numbers)
            reals.append(encoder.reals(rows))
            expected = encoder.encode(rows).copy()
            (tmp_path / f"expected{i}").write_bytes(expected.tobytes())
        answer = ask(tmp_path, given)
        for i in range(len(inputs)):
            assert (tmp_path / f"input{i}").read_bytes() == (tmp_path / f"expected{i}").read_bytes()
        wanted = decoded(task, reals[0], GIVES.dequantize(outputs))
        np.testing.assert_allclose(answer.pop("numbers"), wanted.pop("numbers"), rtol=1e-6, atol=1e-6)
        assert {name: answer[name] for name in wanted} == wanted


def test_numbers_beyond_float32_are_refused(tmp_path):
    each = Tensor((3,))
    header(tmp_path, {"x": each}, Task("raw", "raw"))
    tensors(tmp_path, [each], np.zeros((1, 1), np.int8))
    build(tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        ask(tmp_path, [("numbers", np.array([0, 1e300, 0]))])


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """The snippet for `WINE`, whose answer repeats nothing."""
    folder = tmp_path_factory.mktemp("wine")
    columns = Features(
        (*WINE.columns, 'a "quoted" \\ name?'),
        categories=WINE.categories | {"sweet": ("10", "20")},
        missing=WINE.missing,
    )
    header(folder, {"x": columns}, Task("raw", "raw"))
    tensors(folder, [columns], np.zeros((1, 1), np.int8))
    build(folder)
    return folder, columns


GOOD = {"alcohol": "13.5", "pressure": "101000", "colour": "rosé", "sweet": "20", 'a "quoted" \\ name?': "1"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        *({"pressure": text} for text in MISSING),
        {"pressure": " NaN "},
        {"pressure": None},
        *({"alcohol": text} for text in ("", "?", "x", "12,5", "1e3", "inf", "0x10", " 12 ", "12 13", "true", "False")),
        *({"colour": text} for text in ("blue", "", "Red", "0", "red ")),
        *({"sweet": text} for text in ("10", "0", "1", "10.0")),
        {"more": "1"},
    ],
)
@pytest.mark.parametrize("without", [None, "pressure", "alcohol"])
def test_it_takes_and_refuses_the_rows_that_the_runtime_takes_and_refuses(wine, change, without):
    folder, columns = wine
    row = {name: value for name, value in (GOOD | change).items() if name != without}
    answer = ask(folder, [("row", row)])
    try:
        numbers = columns.numbers([row])
    except InputError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert answer["wrong"] in refusal or "NaN or infinity" in refusal
        return
    encoder = encoder_of(TensorSpec("x", (-1, *columns.shape), *STEPS), columns)
    assert (folder / "input0").read_bytes() == encoder.encode(encoder.rows(numbers)).tobytes()
    assert "wrong" not in answer


@pytest.mark.parametrize("place", ["start", "middle", "loudest"])
def test_it_cuts_recordings_as_the_runtime_does(place, tmp_path):
    each = SOUND._replace(place=place)
    header(tmp_path, {"x": each}, Task("raw", "raw"))
    tensors(tmp_path, [each], np.zeros((1, 1), np.int8))
    build(tmp_path)
    for count in (1, 300, 799, 800, 801, 1777):
        sound = np.random.default_rng(count).normal(0, 0.2, count).clip(-1, 1).astype(np.float32)
        sound[: count // 2] = 0
        if count == 801:
            # All windows are as loud: the first is taken.
            sound[:] = np.resize([0.5, -0.5], count)
        ask(tmp_path, [("window", sound)])
        encoder = encoder_of(TensorSpec("x", (-1, *each.shape), *STEPS), each)
        expected = encoder.encode(encoder.rows(each.window(sound)[None]))
        assert (tmp_path / "input0").read_bytes() == expected.tobytes()


def test_it_compiles_with_the_header_that_export_writes(tmp_path):
    pytest.importorskip("tflite_micro")
    path = tmp_path / "pressed-int8.tflite"
    shutil.copy(GOLDEN / "digits-int8.tflite", path)
    picture, task = Picture(28, 28), Task("multiclass", "probabilities", tuple("0123456789"))
    with load(path, backend="numpy") as model:
        spec = model.artifact.inputs[0]
        inputs = np.zeros((2, *spec.shape[1:]), np.int8)
        micro.write_c_header(path, [inputs], [model.run(inputs)], ([(spec.name, picture)], task))
    build(tmp_path)
    tensors(tmp_path, [picture], np.array([-128, 5, -3, 7, 100, 0, 0, -9, 99, 1]))
    assert ask(tmp_path, [("numbers", np.zeros(784))])["label"] == 4
