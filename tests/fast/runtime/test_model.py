"""`load` and `Model`: what is accepted, what is refused, and that the answers are right."""

import base64
import builtins
import json
import os
import shutil
import sys
import threading

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, InputError, MissingExtraError, ModelClosedError, load
from edgepress.runtime.backends import BACKENDS, present_backends
from edgepress.runtime.bundle import signature
from edgepress.runtime.formats import tflite_file

GOOD = 0.9
MADE = {"tflite": ("int8", "float32", "float16", "dynamic-int8"), "onnx": ("int8", "float32")}
VARIANTS = [(v, name) for name in present_backends() for v in MADE[BACKENDS[name].formats[0]]]


@pytest.mark.parametrize(("variant", "backend"), VARIANTS)
def test_every_backend_reads_digits(bundle, digits, variant, backend):
    images, labels = digits
    with load(bundle, variant=variant, backend=backend) as model:
        prediction = model.predict(images[:1000])
    assert model.backend == backend
    assert np.mean(prediction.indices == labels[:1000]) > GOOD
    assert prediction.labels[0] == str(prediction.indices[0])
    assert prediction.probabilities.dtype == np.float32
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, atol=1e-5)


def test_auto_says_what_it_took(bundle):
    with load(bundle) as model:
        assert model.backend == "litert"
        assert model.artifact.variant == "int8"


@pytest.mark.parametrize("backend", present_backends())
def test_shapes_and_batches_agree(bundle, digits, backend):
    images = digits[0][:300]
    with load(bundle, backend=backend) as model:
        whole = model.predict(images).probabilities
        for view in (images.reshape(300, 784), images[..., None]):
            assert np.array_equal(model.predict(view).probabilities, whole)
        for one in (images[7], images[7].reshape(784), images[7:8]):
            prediction = model.predict(one)
            assert len(prediction) == 1
            np.testing.assert_allclose(prediction.probabilities, whole[7:8], atol=1e-6)
        assert len(model.predict(images[:0])) == 0
        floats = model.predict(images.astype(np.float32) / 255).probabilities
        assert np.mean(floats.argmax(1) == whole.argmax(1)) == 1


def test_predict_iter_takes_images_and_batches(bundle, digits):
    images = digits[0]
    with load(bundle) as model:
        sizes = [len(prediction) for prediction in model.predict_iter(iter([images[0], images[:5], images[:100]]))]
    assert sizes == [1, 5, 100]


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((3, 27, 28), np.uint8), "(27, 28)|resize"),
        (np.zeros((28, 28), np.int64), "int64"),
        (np.full((28, 28), 255.0), "pass pixels as uint8"),
        (np.full((28, 28), np.nan), "NaN"),
        (np.full((28, 28), -1.0), "normalize"),
        (np.zeros((28, 28), "U1"), "<U1"),
    ],
)
def test_images_outside_the_contract_are_refused(bundle, images, says):
    with load(bundle) as model, pytest.raises(InputError, match=says.replace("(", r"\(").replace(")", r"\)")):
        model.predict(images)


def test_unknown_variant_names_what_there_is(bundle):
    with pytest.raises(InputError, match="dynamic-int8, float16, float32, int8"):
        load(bundle, variant="int3")


def test_unknown_backend_and_wrong_format_are_refused(bundle):
    with pytest.raises(InputError, match="auto, litert, tflite-runtime, onnxruntime, openvino, numpy"):
        load(bundle, backend="tensorflow")
    with pytest.raises(InputError, match=r"reads \.onnx"):
        load(bundle / "digits-int8.tflite", backend="onnxruntime")


def test_a_missing_backend_names_the_pip_command(bundle):
    # Where no wheel exists, a pip command would fail.
    mend = r"pip install 'edgepress\[tflite-runtime\]'" if sys.version_info < (3, 12) else r"no wheel for Python 3\."
    with pytest.raises(MissingExtraError, match=mend):
        load(bundle, backend="tflite-runtime")


def test_a_changed_artifact_is_refused_before_any_parser(bundle, tmp_path, monkeypatch):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    file = copy / "digits-int8.tflite"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    monkeypatch.setattr("edgepress.runtime.loading.open_session", lambda *a, **k: pytest.fail("a parser saw the bytes"))
    for path in (copy, file):
        with pytest.raises(ArtifactRefusedError, match="SHA-256"):
            load(path, backend="litert")


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path / "no.tflite")
    (tmp_path / "a.tflite").write_bytes(b"hello, world")
    with pytest.raises(InputError, match="TFL3"):
        load(tmp_path / "a.tflite")
    (tmp_path / "a.h5").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"\.onnx file is allowed"):
        load(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"manifest\.json"):
        load(tmp_path)


def test_a_closed_model_says_so(bundle):
    model = load(bundle)
    model.close()
    model.close()
    for use in (model.run, model.predict):
        with pytest.raises(ModelClosedError, match="closed: load it again"):
            use(np.zeros((1, 784), np.int8 if use == model.run else np.uint8))


def test_run_is_raw_and_takes_any_batch(bundle, digits):
    with load(bundle, backend="litert") as model:
        raw = (digits[0][:40].reshape(40, 784) ^ 0x80).view(np.int8)
        whole = model.run(raw)
        assert whole.dtype == np.int8
        assert whole.shape == (40, 10)
        assert np.array_equal(model.run(raw[3:4]), whole[3:4])
        assert np.array_equal(model.run({"image": raw}), whole)
        with pytest.raises(InputError, match="int8 \\(-1, 784\\) is allowed"):
            model.run(raw.astype(np.float32))
        with pytest.raises(InputError, match="the model takes image"):
            model.run({"x": raw})
        # A refused array leaves the model as it was.
        assert np.array_equal(model.run(raw), whole)


def test_threads_take_turns(bundle, digits):
    images = digits[0][:200]
    with load(bundle) as model:
        expected = model.predict(images).probabilities
        wrong = []

        def work(size):
            for start in range(0, 200, size):
                part = model.predict(images[start : start + size]).probabilities
                if not np.allclose(part, expected[start : start + size], atol=1e-6):
                    wrong.append((size, start))

        workers = [threading.Thread(target=work, args=(size,)) for size in (1, 3, 7, 64)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert not wrong


def test_unknown_is_said_where_asked_for(bundle, digits):
    with load(bundle) as model:
        blank = np.zeros((28, 28), np.uint8)
        sure = model.predict(digits[0]).probabilities.max(axis=1).argmax()
        prediction = model.predict(np.stack([blank, digits[0][sure]]), unknown=True)
        assert prediction.labels.tolist() == ["unknown", str(digits[1][sure])]
        assert prediction.indices.tolist() == [-1, digits[1][sure]]
        assert model.predict(blank).labels[0] != "unknown"


def test_every_file_is_opened_once_and_parsed_once(bundle, tmp_path, monkeypatch):
    """What is checked, by digest, signature or structure, is what is used: nothing is read again afterwards."""
    lone = shutil.copy(bundle / "digits-int8.tflite", tmp_path)
    opened, parsed = [], []
    real_open, real_read = builtins.open, tflite_file._read

    def open_once(path, *arguments, **settings):
        opened.append(os.path.basename(path) if isinstance(path, str | os.PathLike) else path)
        return real_open(path, *arguments, **settings)

    monkeypatch.setattr(builtins, "open", open_once)
    monkeypatch.setattr(tflite_file, "_read", lambda *a: parsed.append(a) or real_read(*a))
    for backend in ("litert", "numpy"):
        load(bundle, backend=backend).close()
        assert [name for name in opened if name in ("manifest.json", "digits-int8.tflite")] == [
            "manifest.json",
            "digits-int8.tflite",
        ]
        assert len(parsed) == (backend == "numpy")
        opened.clear()
        parsed.clear()
    for backend in ("litert", "numpy"):
        load(lone, backend=backend).close()
        assert opened.count("digits-int8.tflite") == 1
        assert len(parsed) == 1
        opened.clear()
        parsed.clear()


def test_a_signature_vouches_for_the_bytes_that_are_used(bundle, tmp_path, monkeypatch):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    copy = shutil.copytree(bundle, tmp_path / "copy")
    key = Ed25519PrivateKey.generate()
    kind, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key.pem").write_bytes(key.public_key().public_bytes(kind, form))
    manifest = (copy / "manifest.json").read_bytes()
    value = base64.b64encode(key.sign(manifest)).decode()
    (copy / "manifest.sig").write_text(json.dumps({"algorithm": "ed25519", "signature": value}))
    real = signature.check_signature

    def exchange(folder, *arguments):
        real(folder, *arguments)
        (copy / "manifest.json").write_bytes(manifest.replace(b'"labels"', b'"lebals"'))

    monkeypatch.setattr(signature, "check_signature", exchange)
    for path in (copy, copy / "digits-int8.tflite"):
        (copy / "manifest.json").write_bytes(manifest)
        with load(path, trusted_key=tmp_path / "key.pem") as model:
            assert model.labels == tuple("0123456789")
    with pytest.raises(ArtifactRefusedError, match="is not made by"):
        load(copy, trusted_key=tmp_path / "key.pem")
    (copy / "manifest.sig").write_text(json.dumps({"algorithm": "rsa", "signature": value}))
    with pytest.raises(ArtifactRefusedError, match="is signed with 'rsa'"):
        load(copy, trusted_key=tmp_path / "key.pem")
