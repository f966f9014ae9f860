import json

import numpy as np
import pytest

from edgepress.base.files import file_sha256
from edgepress.export import new_key, sign
from edgepress.export.companions.packed import pack, write_packed
from edgepress.export.inspect.describe import describe
from edgepress.runtime import Artifact, ArtifactRefusedError, Contract, InputError, Manifest, Picture, Task, load
from edgepress.runtime.bundle.signature import SIGNATURE_NAME, verify_bundle


@pytest.fixture
def bundle(files, tmp_path):
    path = tmp_path / "bundle/tiny-int8.tflite"
    path.parent.mkdir()
    path.write_bytes(files["tflite:int8"].read_bytes())
    found = describe(path)
    artifact = Artifact(
        path.name, "tiny", "tflite", "int8", file_sha256(path), found.bytes, found.inputs, found.outputs
    )
    contract = Contract({"pixels": Picture(8, 8, fit="stretch", polarity="as-is")})
    task = Task("multiclass", "logits", ("nw", "ne", "sw", "se"))
    manifest = Manifest("tiny", contract, task, (artifact,), "tiny")
    (path.parent / "manifest.json").write_text(manifest.to_json())
    return path.parent


@pytest.fixture
def keys(tmp_path):
    private = tmp_path / "maker.pem"
    return private, new_key(private)


def test_a_signed_bundle_loads_where_a_signature_is_demanded(bundle, keys):
    sign(bundle, keys[0])
    assert verify_bundle(bundle, keys[1]).name == "tiny"
    with load(bundle, trusted_key=keys[1]) as model:
        assert len(model.predict(np.zeros((8, 8), np.uint8))) == 1
    with load(bundle / "tiny-int8.tflite", trusted_key=keys[1]) as model:
        assert model.labels[0] == "nw"


def test_a_packed_artifact_is_part_of_its_bundle(bundle, keys):
    packed = write_packed(bundle / "tiny-int8.tflite")
    manifest = Manifest.read(bundle)
    (bundle / "manifest.json").write_text(manifest._replace(files={packed.name: file_sha256(packed)}).to_json())
    sign(bundle, keys[0])
    with load(packed, trusted_key=keys[1]) as model:
        assert model.labels[0] == "nw"
        assert model.artifact == manifest.artifacts[0]
    packed.write_bytes(pack((bundle / "tiny-int8.tflite").read_bytes()[:-4] + b"    "))
    with pytest.raises(ArtifactRefusedError, match="damaged or was exchanged"):
        load(packed)


def test_without_a_signature_it_is_refused(bundle, keys):
    with pytest.raises(ArtifactRefusedError, match="not signed"):
        load(bundle, trusted_key=keys[1])


def test_another_maker_is_refused(bundle, keys, tmp_path):
    new_key(tmp_path / "other.pem")
    sign(bundle, tmp_path / "other.pem")
    with pytest.raises(ArtifactRefusedError, match="somebody else"):
        load(bundle, trusted_key=keys[1])


def test_a_manifest_that_was_changed_is_refused(bundle, keys):
    sign(bundle, keys[0])
    data = json.loads((bundle / "manifest.json").read_text())
    data["task"]["labels"].reverse()
    (bundle / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(ArtifactRefusedError, match="it was changed"):
        load(bundle, trusted_key=keys[1])


def test_an_artifact_that_was_changed_is_refused(bundle, keys):
    sign(bundle, keys[0])
    with open(bundle / "tiny-int8.tflite", "ab") as file:
        file.write(b"\0")
    for check in (verify_bundle, lambda folder, key: load(folder, trusted_key=key)):
        with pytest.raises(ArtifactRefusedError, match=r"tiny-int8\.tflite"):
            check(bundle, keys[1])


def test_every_other_file_that_export_wrote_is_covered(bundle, keys):
    for name in ("selftest.npz", "tiny-int8.tflite.xz"):
        (bundle / name).write_bytes(name.encode())
    manifest = Manifest.read(bundle)
    others = {name: file_sha256(bundle / name) for name in ("selftest.npz", "tiny-int8.tflite.xz")}
    (bundle / "manifest.json").write_text(manifest._replace(files=others).to_json())
    sign(bundle, keys[0])
    assert verify_bundle(bundle, keys[1]).files == others
    (bundle / "selftest.npz").write_bytes(b"other vectors")
    with pytest.raises(ArtifactRefusedError, match="selftest"):
        verify_bundle(bundle, keys[1])
    with pytest.raises(InputError, match="plain file name"):
        manifest._replace(files={"../outside": "0" * 64}).to_json()


def test_a_lone_file_is_refused_where_a_signature_is_demanded(files, keys):
    with pytest.raises(ArtifactRefusedError, match="no part of a bundle"):
        load(files["tflite:int8"], trusted_key=keys[1])


def test_nonsense_for_a_signature_or_a_key_is_refused(bundle, keys):
    (bundle / SIGNATURE_NAME).write_text("{}")
    with pytest.raises(ArtifactRefusedError, match="is no signature"):
        verify_bundle(bundle, keys[1])
    with pytest.raises(InputError, match="no public key"):
        verify_bundle(bundle, bundle / "manifest.json")
    with pytest.raises(InputError, match="no private key"):
        sign(bundle, keys[1])


def test_keys_are_private_and_never_overwritten(keys):
    assert keys[0].stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="exists already"):
        new_key(keys[0])
