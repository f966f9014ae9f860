"""Reading `.tflite` files by the classes that flatc generated for them."""

import struct
from pathlib import Path

import pytest

from edgepress.runtime import InputError
from edgepress.runtime.formats.tensor_names import public_names
from edgepress.runtime.formats.tflite_file import _member, read_tflite

GOLDEN = Path(__file__).parents[2] / "golden"


class Kinds:
    """As flatc makes them. Since Python 3.13 every class has a number of the first line's own."""

    __firstlineno__ = 5
    NONE = 0
    Conv2DOptions = 1
    Pool2DOptions = 5


def test_a_number_of_the_class_itself_names_nothing():
    assert [_member(Kinds, number) for number in (0, 1, 5, 6)] == [None, "Conv2DOptions", "Pool2DOptions", None]


def test_every_union_is_read_as_it_is_where_classes_have_such_numbers(monkeypatch):
    import tflite

    plain = [operator.options for operator in read_tflite((GOLDEN / "conv.tflite").read_bytes()).main.operators]
    names = {value: name for name, value in vars(tflite.BuiltinOptions).items() if not name.startswith("_")}
    for number in names:
        numbered = type("Numbered", (), {"__firstlineno__": number, **dict(vars(tflite.BuiltinOptions))})
        monkeypatch.setattr(tflite, "BuiltinOptions", numbered)
        again = read_tflite((GOLDEN / "conv.tflite").read_bytes()).main.operators
        assert [operator.options for operator in again] == plain
        monkeypatch.undo()


def test_an_error_of_ours_stays_as_it_is():
    import tflite

    content = (GOLDEN / "digits-int8.tflite").read_bytes()
    table = tflite.Model.GetRootAs(content, 0).Subgraphs(0).Tensors(0)._tab
    # A type that a later version of the schema may have.
    at = table.Pos + table.Offset(6)
    changed = content[:at] + struct.pack("<b", 99) + content[at + 1 :]
    with pytest.raises(InputError, match="has type number 99") as caught:
        read_tflite(changed)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(("old", "newer", "read"), [(0, 6, "DEQUANTIZE"), (9, 0, "FULLY_CONNECTED"), (9, 6, None)])
def test_the_larger_of_an_operators_two_numbers_counts(old, newer, read):
    import tflite

    content = bytearray((GOLDEN / "digits-int8.tflite").read_bytes())
    model = tflite.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    (place,) = (i for i, code in enumerate(codes) if code.DeprecatedBuiltinCode() == 9)
    table = codes[place]._tab
    struct.pack_into("<b", content, table.Pos + table.Offset(4), old)
    struct.pack_into("<i", content, table.Pos + table.Offset(10), newer)
    before = read_tflite((GOLDEN / "digits-int8.tflite").read_bytes()).main.operators
    after = read_tflite(bytes(content)).main.operators
    changed = {own.name for was, own in zip(before, after, strict=True) if was.name == "FULLY_CONNECTED"}
    assert changed == {read or "FULLY_CONNECTED"}


def test_one_rule_for_names():
    one, two = ({"a": 0}, {"b": 7}), ({"c": 0}, {"d": 7})
    assert public_names([]) == public_names([one, two]) == {}
    assert public_names([one]) == {0: "a", 7: "b"}
