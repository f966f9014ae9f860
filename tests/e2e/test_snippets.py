"""The snippets of the documentation, run with real tools. Python's is in test_export, Kotlin's and C++'s elsewhere."""

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bundles import golden, write_bundle
from kinds import COLOURS, KINDS, make_kind, wav, wine_rows
from snippets import assert_same, greys, odd_rows

from edgepress.base.errors import InputError
from edgepress.runtime import load

ROOT = Path(__file__).parents[2]
SNIPPETS, ANDROID = ROOT / "docs/snippets", ROOT / "docs/android"
NODE_MODULES = ROOT / ".node/node_modules"
needs_javascript = pytest.mark.skipif(
    not NODE_MODULES.is_dir(), reason="onnxruntime-web for Node.js is absent: run scripts/test with npm"
)


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
def test_javascript_answers_as_the_runtime_does(javascript, tmp_path):
    (tmp_path / "pixels").write_bytes(greys().tobytes())
    folder = write_bundle(tmp_path / "bundle", golden("digits-int8.onnx"))
    (answer,) = javascript(folder / "digits-int8.onnx", tmp_path / "pixels")
    with load(folder, backend="onnxruntime") as native:
        expected = native.predict(greys().reshape(1, 28, 28))
    assert answer["label"] == expected.labels[0]
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities[0], rtol=1e-6, atol=1e-6)


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
