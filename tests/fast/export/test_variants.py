import pytest

from edgepress.export.variants import DEFAULT_VARIANTS, VARIANTS, parse_variants
from edgepress.runtime import InputError


def test_a_plain_name_means_every_format_that_has_it():
    assert [variant.key for variant in parse_variants(["int8"])] == ["tflite:int8", "onnx:int8"]


def test_a_format_narrows_it_and_each_comes_once():
    assert [v.key for v in parse_variants(["onnx:int8", "onnx:int8"])] == ["onnx:int8"]


def test_unknown_names_are_refused_with_the_allowed_ones():
    with pytest.raises(InputError, match="'int7'"):
        parse_variants(["int8", "int7"])


def test_the_default_variants_exist():
    assert set(DEFAULT_VARIANTS) <= set(VARIANTS)


def test_a_bound_counts_images_and_one_at_least():
    int8 = VARIANTS["tflite:int8"]
    assert int8.answers_may_differ(10_000) == 500
    assert VARIANTS["tflite:float32"].answers_may_differ(10_000) == 1


def test_the_command_line_names_every_variant():
    from edgepress.cli.export import command

    text = next(option.help for option in command.params if option.name == "variants")
    assert [name for name in dict.fromkeys(v.name for v in VARIANTS.values()) if f" {name}," not in text] == []
