import lzma

import pytest

from edgepress.export.companions.packed import pack, write_packed
from edgepress.export.inspect.describe import describe
from edgepress.export.targets import TARGETS, RuntimeFloor, find_target
from edgepress.export.variants import VARIANTS, parse_variants
from edgepress.runtime import InputError, load


@pytest.mark.parametrize("name", TARGETS)
def test_every_file_of_a_target_loads_in_its_runtime(name, files):
    target = find_target(name)
    assert [v.key for v in parse_variants(target.variants)] == [k for k in VARIANTS if k in target.variants]
    if target.runtime:
        floor = RuntimeFloor.parse(target.runtime)
        for variant in parse_variants(target.variants):
            assert floor.reads(variant)
            assert floor.objection(describe(files[variant.key]).oldest_runtime) is None


def test_an_old_runtime_objects_to_new_files(files):
    floor = RuntimeFloor.parse("tflite-2.14")
    assert "needs tflite 2.17" in floor.objection(describe(files["tflite:int4"]).oldest_runtime)
    assert not floor.reads(VARIANTS["onnx:int8"])
    # 2.3 came before 2.14, whatever the letters say.
    assert RuntimeFloor.parse("tflite-2.3").objection({"tensorflow-lite": "2.14"})


@pytest.mark.parametrize("text", ["tflite", "tflite-2", "torch-2.1", "tflite-2.14.0"])
def test_other_forms_of_a_runtime_are_refused(text):
    with pytest.raises(InputError, match="as in tflite-2"):
        RuntimeFloor.parse(text)


def test_unknown_targets_are_refused_with_the_allowed_ones():
    with pytest.raises(InputError, match="raspberry-pi-32"):
        find_target("toaster")


def test_a_packed_file_is_smaller_and_loads(files, tmp_path):
    content = files["tflite:int8"].read_bytes()
    assert lzma.decompress(pack(content)) == content
    assert pack(content) == pack(content)
    assert len(pack(content)) <= len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    copy = tmp_path / "tiny-int8.tflite"
    copy.write_bytes(content)
    with load(write_packed(copy)) as model:
        assert model.labels == ("nw", "ne", "sw", "se")
