"""The snippets of the documentation, run or compiled with real tools. Python's is in test_export, C++'s elsewhere."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bundles import golden, write_bundle
from kinds import COLOURS, KINDS, WINE, make_kind, wav, wine_rows

from edgepress.base.errors import InputError
from edgepress.runtime import TensorSpec, load
from edgepress.runtime.contract.features import MISSING
from edgepress.runtime.encoding import encoder_of

ROOT = Path(__file__).parents[2]
SNIPPETS, GOLDEN, STUBS = ROOT / "docs/snippets", ROOT / "tests/golden", Path(__file__).parent / "stubs"
NODE_MODULES = ROOT / ".node/node_modules"
needs_javascript = pytest.mark.skipif(
    not NODE_MODULES.is_dir(), reason="onnxruntime-web for Node.js is absent: run scripts/test with npm"
)
ANDROID = ROOT / "docs/android"
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


@pytest.fixture
def pixels():
    """Every grey there is, and then some: uint8 (784,)."""
    rest = np.random.default_rng(0).integers(0, 256, 784 - 256, np.uint8)
    return np.concatenate([np.arange(256, dtype=np.uint8), rest])


@pytest.fixture
def javascript(tmp_path):
    """What the snippet says of a file: a list of answers."""
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    shutil.copy(SNIPPETS / "predict.mjs", tmp_path)

    def answers(*words):
        said = subprocess.check_output(["node", "predict.mjs", *words], cwd=tmp_path, text=True, stderr=subprocess.PIPE)
        return [json.loads(line) for line in said.splitlines()]

    return answers


@needs_javascript
def test_javascript_answers_as_the_runtime_does(javascript, tmp_path, pixels):
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    folder = write_bundle(tmp_path / "bundle", golden("digits-int8.onnx"))
    (answer,) = javascript(folder / "digits-int8.onnx", tmp_path / "pixels")
    with load(folder, backend="onnxruntime") as native:
        expected = native.predict(pixels.reshape(1, 28, 28))
    assert answer["label"] == expected.labels[0]
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities[0], rtol=1e-6, atol=1e-6)


def assert_same(answer, row, most=1e-6):
    """A snippet's answer and the runtime's."""
    for name, value in answer.items():
        wanted = row["y"] if name == "output" else row[name]
        if name == "values":
            assert list(value) == list(wanted)
            value, wanted = list(value.values()), list(wanted.values())
        if name in ("label", "labels", "normal"):
            assert value == wanted
        else:
            np.testing.assert_allclose(value, wanted, rtol=most, atol=most)


@needs_javascript
@pytest.mark.parametrize("kind", KINDS)
def test_javascript_prepares_and_decodes_every_kind(javascript, tmp_path, kind):
    folder = make_kind(tmp_path / "bundle", kind)
    file, rng = tmp_path / "given.json", np.random.default_rng(4)
    with load(folder, "float32") as model:
        only = model.contract.only
        if kind == "several":
            left = rng.normal(0, 2, (3, 4))
            given = {"left": left, "right": wine_rows(3)}
            file.write_text(json.dumps({"inputs": {"left": left.tolist(), "right": given["right"]}}))
        elif only.kind == "features":
            given = wine_rows(6)
            file.write_text(json.dumps({"rows": given}))
        else:
            picture = only.kind == "picture"
            given = (
                rng.integers(0, 256, (3, *only.shape), np.uint8) if picture else rng.normal(0, 0.3, (3, *only.shape))
            )
            given = given if picture else given.clip(-1, 1)
            file.write_text(json.dumps({"inputs": given.tolist()}))
        expected = model.predict(given).rows()
    answers = javascript(folder / f"{kind}-float32.onnx", file)
    assert len(answers) == len(expected)
    for answer, row in zip(answers, expected, strict=True):
        # WebAssembly adds up without fused products; of raw pixels the logits, some hundred, show it.
        assert_same(answer, row, 1e-5 if kind == "picture" else 1e-6)


# What a row may hold in place of good values, and whether each is refused.
ODD_ROWS = [
    *({"pressure": text} for text in (*sorted(MISSING), " NaN ", None)),
    *({"alcohol": text} for text in (" 12.5 ", "1e1", "True", "false", "0x10", "inf", "x", "", None, "12,5")),
    *({"sweet": text} for text in ("no", "No", "1", "", "blue")),
    {"more": "1"},
]


def odd_rows():
    """Rows that the runtime takes, those that it refuses, and one without a column beside an unknown name."""
    (good,) = wine_rows(1)
    rows = [good | change for change in ODD_ROWS]
    rows += [{name: value for name, value in good.items() if name != "pressure"} | extra for extra in ({}, {"x": "1"})]
    taken, refused = [], []
    for row in rows:
        try:
            WINE.numbers([row])
        except InputError:
            refused.append(row)
        else:
            taken.append(row)
    assert min(len(taken), len(refused)) > 8
    return taken, refused


@needs_javascript
def test_javascript_takes_and_refuses_the_rows_that_the_runtime_takes_and_refuses(javascript, tmp_path):
    folder, (taken, refused) = make_kind(tmp_path / "bundle", "features"), odd_rows()
    model, file = folder / "features-float32.onnx", tmp_path / "given.json"
    file.write_text(json.dumps({"rows": taken}))
    with load(folder, "float32") as native:
        expected = native.predict(taken).rows()
    for answer, row in zip(javascript(model, file), expected, strict=True):
        assert_same(answer, row)
    for row in refused[::3]:
        file.write_text(json.dumps({"rows": [row]}))
        with pytest.raises(subprocess.CalledProcessError):
            javascript(model, file)


@needs_javascript
def test_javascript_finds_inputs_by_name_and_numbers_that_stand_for_all_channels(javascript, tmp_path):
    folder = make_kind(tmp_path / "bundle", "several")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["contract"]["inputs"].reverse()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    given = {"left": np.random.default_rng(0).normal(0, 2, (3, 4)).tolist(), "right": wine_rows(3)}
    (tmp_path / "a.json").write_text(json.dumps({"inputs": given}))
    with load(folder, "float32") as model:
        expected = model.predict(given).rows()
    for answer, row in zip(javascript(folder / "several-float32.onnx", tmp_path / "a.json"), expected, strict=True):
        assert_same(answer, row)
    for fields in ({"std": [2.0]}, {"mean": [100.0]}):
        folder = make_kind(tmp_path / f"picture-{next(iter(fields))}", "picture")
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["contract"]["inputs"][0] |= fields
        (folder / "manifest.json").write_text(json.dumps(manifest))
        pixels = np.random.default_rng(0).integers(0, 256, (2, *COLOURS.shape), np.uint8)
        (tmp_path / "pixels").write_bytes(pixels.tobytes())
        with load(folder, "float32") as model:
            expected = model.predict(pixels).rows()
        for answer, row in zip(javascript(folder / "picture-float32.onnx", tmp_path / "pixels"), expected, strict=True):
            assert_same(answer, row)


@needs_javascript
def test_javascript_refuses_what_is_no_answer_and_says_unknown_where_asked(javascript, tmp_path):
    file = tmp_path / "given.json"
    folder = make_kind(tmp_path / "raw", "raw")
    with load(folder, "float32") as model:
        weights = model.run(np.eye(4, dtype=np.float32))
        given = np.where(weights[:, :1].T > 0, 3e38, -3e38)
        with pytest.raises(InputError, match="NaN or infinity"):
            model.predict(given)
    for numbers, words in ((given.tolist(), "no answer"), ([[1e300, 0, 0, 0]], "finite")):
        file.write_text(json.dumps({"inputs": numbers}))
        with pytest.raises(subprocess.CalledProcessError) as refused:
            javascript(folder / "raw-float32.onnx", file)
        assert words in refused.value.stderr
    folder, rows = make_kind(tmp_path / "features", "features"), wine_rows(12)
    manifest = json.loads((folder / "manifest.json").read_text())
    with load(folder, "float32") as model:
        manifest["task"]["unknown_threshold"] = float(np.median(model.predict(rows).probabilities.max(axis=1)))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    file.write_text(json.dumps({"rows": rows}))
    with load(folder, "float32") as model:
        expected = model.predict(rows, unknown=True).labels.tolist()
    assert 0 < expected.count("unknown") < len(rows)
    answers = javascript(folder / "features-float32.onnx", file, "unknown")
    assert [answer["label"] for answer in answers] == expected


@needs_javascript
@pytest.mark.parametrize(("place", "count"), [("start", 1777), ("middle", 300), ("middle", 1777), ("loudest", 1777)])
def test_javascript_cuts_a_recording_as_the_runtime_does(javascript, tmp_path, place, count):
    pytest.importorskip("soundfile", reason="needs the audio extra")
    folder = make_kind(tmp_path / "bundle", "audio")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["contract"]["inputs"][0]["place"] = place
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sound = np.random.default_rng(count).normal(0, 0.2, count) * np.linspace(0, 2, count)
    (tmp_path / "a.wav").write_bytes(wav(sound.clip(-1, 1)))
    (answer,) = javascript(folder / "audio-float32.onnx", tmp_path / "a.wav")
    with load(folder, "float32") as model:
        expected = model.predict_files(tmp_path / "a.wav")
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities[0], rtol=2e-6, atol=1e-6)


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
def test_kotlin_gives_the_model_the_integers_that_the_runtime_gives_it(kotlin, tmp_path, pixels, scale, zero_point):
    folder = write_bundle(tmp_path / "bundle", golden("digits-float32.onnx"))
    with load(folder, "float32") as model:
        name, steps = model.artifact.inputs[0].name, ("int8", float(np.float32(scale)), zero_point)
        ask_kotlin(kotlin, tmp_path, model, {name: pixels.reshape(28, 28)}, quantized=steps)


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


def test_the_android_app_names_what_is_there():
    """Its Kotlin is compiled with the snippet's. Gradle's own plug-ins come from Google's store."""
    manifest = ElementTree.parse(ANDROID / "app/src/main/AndroidManifest.xml")
    name = manifest.find("application/activity").attrib["{http://schemas.android.com/apk/res/android}name"]
    build = (ANDROID / "app/build.gradle.kts").read_text()
    package = build.partition('namespace = "')[2].partition('"')[0]
    (source,) = (ANDROID / "app/src/main/java" / package.replace(".", "/")).glob("*.kt")
    assert (source.stem, source.read_text().splitlines()[0]) == (name.removeprefix("."), f"package {package}")
    snippet = (SNIPPETS / "Predict.kt").read_text()
    assert (ANDROID / "app" / build.partition('srcDir("')[2].partition('"')[0]).resolve() == SNIPPETS
    for library in build.partition("dependencies")[2].split('implementation("')[1:]:
        assert f'implementation("{library.partition(chr(34))[0]}")' in snippet


def test_swift_parses():
    """Its compiler and the libraries that it links come from Apple's store."""
    parsing = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip("tree_sitter_swift")
    parser = parsing.Parser(parsing.Language(grammar.language()))
    content = (SNIPPETS / "Predict.swift").read_bytes()
    assert not parser.parse(content).root_node.has_error
    # The grammar takes not just anything.
    assert parser.parse(content.replace(b"}", b"", 1)).root_node.has_error
