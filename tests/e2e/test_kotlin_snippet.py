"""Kotlin's snippet of the documentation, compiled and held to the runtime on every kind of contract and task."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bundles import golden, write_bundle
from kinds import KINDS, WINE, make_kind, wine_rows
from snippets import assert_same, greys, odd_rows

from edgepress.runtime import TensorSpec, load
from edgepress.runtime.encoding import encoder_of

ROOT = Path(__file__).parents[2]
SNIPPETS, ANDROID, STUBS = ROOT / "docs/snippets", ROOT / "docs/android", Path(__file__).parent / "stubs"
KOTLIN = importlib.util.find_spec("run_kotlin_kernel")
KOTLIN_LIBRARIES = ("kotlin-stdlib", "kotlinx-serialization-core-jvm", "kotlinx-serialization-json-jvm")
KOTLIN_MAIN = """
import kotlinx.serialization.json.*

fun main(arguments: Array<String>) {
    val given = Json.parseToJsonElement(java.io.File("given.json").readText())
    fun plain(row: JsonObject) = row.mapValues { (_, value) ->
        value.jsonPrimitive.let { if (it is JsonNull) null else it.doubleOrNull ?: it.content }
    }
    Predictor(android.content.Context(), "model").use { predictor ->
        if ("rows" in arguments) {
            val rows = given.jsonArray.map { plain(it.jsonObject) }
            println(written(rows.map { runCatching { predictor.numbersOf(it).toList() }.getOrDefault("refused") }))
            return
        }
        fun numbers(name: String, given: JsonElement) = when {
            given is JsonObject -> predictor.numbersOf(plain(given), name)
            "window" in arguments ->
                predictor.windowOf(given.jsonArray.map { it.jsonPrimitive.float }.toFloatArray(), name)
            else -> given.jsonArray.map { it.jsonPrimitive.double }.toDoubleArray()
        }
        val all = given.jsonObject.mapValues { (name, each) -> numbers(name, each) }
        val unknown = "unknown" in arguments
        val answer = runCatching {
            if (all.size == 1) predictor.predict(all.values.single(), unknown) else predictor.predict(all, unknown)
        }
        println(written(answer.getOrElse { mapOf("refused" to it.message) }))
    }
}

fun written(value: Any?): JsonElement = when (value) {
    is Map<*, *> -> JsonObject(value.entries.associate { "${it.key}" to written(it.value) })
    is List<*> -> JsonArray(value.map(::written))
    is Boolean -> JsonPrimitive(value)
    is Number -> JsonPrimitive(value)
    else -> JsonPrimitive("$value")
}
"""


@pytest.fixture(scope="module")
def kotlin(tmp_path_factory):
    """The command that runs the snippet, compiled against what it uses of Android's and LiteRT's interfaces.

    The stand-ins keep the integers that the model would get: its library for the JVM comes from Google's store.
    """
    if KOTLIN is None or not shutil.which("javac"):
        pytest.skip("the Kotlin compiler (kotlin-jupyter-kernel) or a JDK is not installed")
    work = tmp_path_factory.mktemp("kotlin")
    jars = Path(KOTLIN.submodule_search_locations[0]) / "jars"
    libraries = [next(jars.glob(f"{name}-*.jar")) for name in KOTLIN_LIBRARIES]
    classes = work / "classes"
    stubs = sorted((STUBS / "android").rglob("*.java"))
    subprocess.run(["javac", "-d", classes, *stubs], check=True)
    (work / "main.kt").write_text(KOTLIN_MAIN)
    path = os.pathsep.join(map(str, [classes, *libraries]))
    compiler = ["java", "-cp", f"{jars}/*", "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib", "-no-reflect"]
    sources = [SNIPPETS / "Predict.kt", work / "main.kt", *sorted(ANDROID.rglob("*.kt"))]
    subprocess.run([*compiler, "-Werror", "-jvm-target", "17", "-classpath", path, "-d", classes, *sources], check=True)
    return ["java", "-cp", path]


def say_kotlin(kotlin, work, manifest, given, sizes, *arguments):
    """What the snippet says of examples by input name."""
    work.mkdir(exist_ok=True)
    manifest["artifacts"][0] |= {"file": "model"}
    (work / "manifest.json").write_text(json.dumps(manifest))
    (work / "given.json").write_text(json.dumps(given))
    sizes = [f"-D{name}={size}" for name, size in sizes.items()]
    return json.loads(subprocess.check_output([*kotlin, *sizes, "MainKt", *arguments], cwd=work, text=True))


def ask_kotlin(kotlin, folder, model, given, *arguments, quantized=None):
    """What the snippet answers about one example by input name: its tensors and answer are held to the runtime's."""
    work, inputs = folder / "kotlin", model.contract.inputs
    work.mkdir()
    numbers, tensors, specs = {}, {}, []
    for (name, each), spec in zip(inputs.items(), model.artifact.inputs, strict=True):
        if "window" in arguments:
            numbers[name] = each.window(np.float32(given[name]))[None]
        else:
            row = [given[name]] if isinstance(given[name], dict) else np.asarray(given[name])[None]
            numbers[name] = row if each.kind == "picture" else each.numbers(row)
        spec = spec._replace(shape=(-1, *each.shape))
        specs.append(spec if quantized is None else TensorSpec(spec.name, spec.shape, *quantized))
        encoder = encoder_of(specs[-1], each)
        tensors[name] = encoder.encode(encoder.rows(numbers[name])).copy()
    asked = numbers if len(inputs) > 1 else next(iter(numbers.values()))
    output = model.raw_outputs(asked)
    (work / "y.output").write_bytes(output.tobytes())
    manifest = json.loads((folder / "bundle/manifest.json").read_text())
    manifest["artifacts"][0]["inputs"] = [spec.to_dict() for spec in specs]
    manifest["artifacts"][0]["outputs"][0]["name"] = "y"
    sizes = {f"{name}.input": tensor.nbytes for name, tensor in tensors.items()} | {"y.output": output.nbytes}
    plain = {name: each if isinstance(each, dict) else np.ravel(each).tolist() for name, each in given.items()}
    answer = say_kotlin(kotlin, work, manifest, plain, sizes, *arguments)
    for name, tensor in tensors.items():
        assert np.array_equal(np.frombuffer((work / f"{name}.input").read_bytes(), tensor.dtype), tensor.ravel())
    assert_same(answer, model.predict(asked).rows()[0])
    return answer


@pytest.mark.parametrize(
    ("kind", "quantized"),
    [
        *((kind, None) for kind in KINDS),
        ("several", ("int8", 0.05, -3)),
        ("features", ("int8", 0.05, -3)),
        ("picture", ("uint8", 1.0, 128)),
        ("picture", ("int8", 2.7, 11)),
    ],
)
def test_kotlin_prepares_and_decodes_every_kind(kotlin, tmp_path, kind, quantized):
    folder, rng = make_kind(tmp_path / "bundle", kind), np.random.default_rng(4)
    with load(folder, "float32") as model:
        given = {}
        for name, each in model.contract.inputs.items():
            if each.kind == "features":
                given[name] = wine_rows(3)[2]
            elif each.kind == "picture":
                given[name] = rng.integers(0, 256, each.shape, np.uint8)
            else:
                given[name] = rng.normal(0, 0.3, each.shape).clip(-1, 1)
        ask_kotlin(kotlin, tmp_path, model, given, quantized=quantized)


def test_kotlin_takes_and_refuses_the_rows_that_the_runtime_takes_and_refuses(kotlin, tmp_path):
    folder, (taken, refused) = make_kind(tmp_path / "bundle", "features"), odd_rows()
    manifest = json.loads((folder / "manifest.json").read_text())
    sizes = {"x.input": 28, "y.output": 12}
    said = say_kotlin(kotlin, tmp_path, manifest, [*taken, *refused], sizes, "rows")
    assert said == [*WINE.numbers(taken).tolist(), *["refused"] * len(refused)]


def test_kotlin_cuts_a_recording_as_the_runtime_does(kotlin, tmp_path):
    folder = make_kind(tmp_path / "bundle", "audio")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["contract"]["inputs"][0]["place"] = "loudest"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sound = (np.random.default_rng(0).normal(0, 0.2, 1777) * np.linspace(0, 2, 1777)).clip(-1, 1)
    with load(folder, "float32") as model:
        ask_kotlin(kotlin, tmp_path, model, {"x": np.float32(sound)}, "window")


@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 255, -128), (2 / 255, -101), (1 / 127, 0)])
def test_kotlin_gives_the_model_the_integers_that_the_runtime_gives_it(kotlin, tmp_path, scale, zero_point):
    folder = write_bundle(tmp_path / "bundle", golden("digits-float32.onnx"))
    with load(folder, "float32") as model:
        name, steps = model.artifact.inputs[0].name, ("int8", float(np.float32(scale)), zero_point)
        ask_kotlin(kotlin, tmp_path, model, {name: greys().reshape(28, 28)}, quantized=steps)


@pytest.mark.parametrize(
    ("kind", "value"), [*((kind, np.nan) for kind in KINDS if kind != "several"), ("binary", np.inf), ("raw", -np.inf)]
)
def test_kotlin_refuses_answers_that_are_none(kotlin, tmp_path, kind, value):
    folder = make_kind(tmp_path / "bundle", kind)
    contract, _, count = KINDS[kind]
    manifest = json.loads((folder / "manifest.json").read_text())
    output = np.zeros(count, np.float32)
    output[-1] = value
    (tmp_path / "y.output").write_bytes(output.tobytes())
    given = {"x": wine_rows(1)[0] if contract.kind == "features" else [0.0] * contract.size}
    said = say_kotlin(kotlin, tmp_path, manifest, given, {"x.input": 4 * contract.size, "y.output": output.nbytes})
    if kind == "binary" and value == np.inf:
        # A single logit beyond all bounds is a probability of 1, as in the runtime.
        assert said["probabilities"] == [0, 1]
    else:
        assert "NaN or infinity" in said["refused"]


def test_kotlin_says_unknown_below_the_threshold_where_asked(kotlin, tmp_path):
    folder = make_kind(tmp_path / "bundle", "features")
    manifest = json.loads((folder / "manifest.json").read_text())
    given, sizes = {"x": wine_rows(1)[0]}, {"x.input": 28, "y.output": 12}
    for logits, label in (([0, 0.1, 0], "unknown"), ([0, 9, 0], "Grignolino")):
        (tmp_path / "y.output").write_bytes(np.float32(logits).tobytes())
        assert say_kotlin(kotlin, tmp_path, manifest, given, sizes, "unknown")["label"] == label
        assert say_kotlin(kotlin, tmp_path, manifest, given, sizes)["label"] == "Grignolino"
    manifest["task"].pop("unknown_threshold")
    assert "no threshold" in say_kotlin(kotlin, tmp_path, manifest, given, sizes, "unknown")["refused"]
    manifest = json.loads((make_kind(tmp_path / "other", "tensor") / "manifest.json").read_text())
    (tmp_path / "y.output").write_bytes(bytes(24))
    sizes = {"x.input": 24, "y.output": 24}
    assert "for classifiers" in say_kotlin(kotlin, tmp_path, manifest, {"x": [0] * 6}, sizes, "unknown")["refused"]


def test_kotlin_refuses_numbers_and_inputs_that_the_model_does_not_take(kotlin, tmp_path):
    folder = make_kind(tmp_path / "bundle", "several")
    manifest = json.loads((folder / "manifest.json").read_text())
    sizes = {"left.input": 16, "right.input": 28, "y.output": 4}
    for given, words in (
        ({"left": [0, 0, 0, 1e300], "right": [0] * 7}, "finite"),
        ({"left": [0], "r": [0]}, "left, right"),
    ):
        assert words in say_kotlin(kotlin, tmp_path, manifest, given, sizes)["refused"]
