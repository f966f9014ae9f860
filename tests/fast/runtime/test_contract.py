"""What goes in: five kinds, written and read, normalized and checked."""

import json

import numpy as np
import pytest

from edgepress.runtime import InputError
from edgepress.runtime.contract import KINDS, NORMALIZATIONS, Audio, Contract, Features, Picture, Signal, Tensor

EXAMPLES = {
    "picture": Picture(8, 9, "rgb", fit="stretch", polarity="as-is", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
    "features": Features(
        ("area", "city"), ("m2", ""), {"city": ("Oslo", "Rome")}, {"area": 70.0}, mean=(50.0, 0.5), std=(20.0, 0.5)
    ),
    "signal": Signal(16, ("x", "y"), ("g", "g"), 50.0, mean=(0.0, 1.0), std=(1.0, 2.0)),
    "audio": Audio(8000, 4000, "loudest"),
    "tensor": Tensor((3, 4), "int32"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_contract_comes_back_from_json(kind):
    contract = Contract({"in": EXAMPLES[kind]}, {"by": "stated"})
    assert Contract.from_dict(json.loads(json.dumps(contract.to_dict()))) == contract


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_left_out_and_unknown_kinds_refused(kind):
    data = {"name": "in", **EXAMPLES[kind].to_dict()}
    assert Contract.from_dict({"inputs": [{**data, "news": 1}]}).only == EXAMPLES[kind]
    with pytest.raises(InputError, match="video"):
        Contract.from_dict({"inputs": [{**data, "kind": "video"}]})


def test_what_schema_1_called_preprocessing_is_a_picture():
    old = {"height": 28, "width": 28, "channels": 3, "fit": "resize", "box": 20, "polarity": "as-is"}
    picture = Picture.from_dict({**old, "scale": 1 / 127.5, "offset": -1.0})
    assert (picture.order, picture.fit) == ("rgb", "stretch")
    assert picture.mean == pytest.approx((127.5,))
    assert picture.std == pytest.approx((127.5,))


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_normalizations_are_what_keras_calls_them(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    given = Picture(4, 5, "rgb", fit="stretch", polarity="as-is").with_normalization(name).normalize(pixels)
    x = pixels.astype(np.float64)
    wanted = {
        "pixels/255": x / 255,
        "pixels/127.5-1": x / 127.5 - 1,
        "pixels": x,
        "imagenet": (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "caffe": x[..., ::-1] - [103.939, 116.779, 123.68],
    }[name]
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-4)


def test_colours_are_asked_for_where_pictures_are_grey():
    with pytest.raises(InputError, match="grey"):
        Picture(4, 4).with_normalization("imagenet")
    with pytest.raises(InputError, match="allowed are"):
        Picture(4, 4).with_normalization("tensorflow")


def test_small_changes_of_a_large_number_survive():
    contract = Features(("pressure",), mean=(101325.0,), std=(600.0,))
    real = contract.normalize(np.array([[101325.01], [101325.02]]))
    assert real[1, 0] - real[0, 0] == pytest.approx(0.01 / 600, rel=1e-3)


def test_rows_of_a_table_by_name():
    contract = EXAMPLES["features"]
    np.testing.assert_array_equal(
        contract.numbers([{"city": "Rome", "area": "81"}, {"city": "Oslo"}]), [[81, 1], [70, 0]]
    )
    with pytest.raises(InputError, match=r"'Paris'.*Oslo, Rome"):
        contract.numbers({"city": "Paris", "area": 1})
    with pytest.raises(InputError, match="'city' has no value"):
        contract.numbers({"area": 1})
    with pytest.raises(InputError, match="'much': a number"):
        contract.numbers({"area": "much", "city": "Rome"})


@pytest.mark.parametrize("kind", ["features", "signal", "tensor"])
def test_nan_and_other_shapes_are_errors(kind):
    contract = EXAMPLES[kind]
    with pytest.raises(InputError, match="NaN"):
        contract.numbers(np.full((2, *contract.shape), np.nan))
    with pytest.raises(InputError, match="is allowed"):
        contract.numbers(np.zeros((2, 7, 7, 7)))
    with pytest.raises(InputError, match="numbers are allowed"):
        contract.numbers(np.full(contract.shape, "x"))
    assert contract.numbers(np.zeros(contract.shape)).shape == (1, *contract.shape)


def test_recordings_become_windows():
    short, loud = np.ones(1000, np.float32), np.zeros(9000, np.float32)
    loud[5000:6000] = 1
    assert Audio(8000, 4000).window(short)[:1000].all()
    assert Audio(8000, 4000, "middle").window(short)[1500:2500].all()
    assert EXAMPLES["audio"].window(loud).sum() == 1000
    assert Audio(8000, 4000).window(loud).sum() == 0
    whole = np.full((1, 4000), -32768, np.int16)
    np.testing.assert_array_equal(EXAMPLES["audio"].numbers(whole), np.full((1, 4000), -1.0))
    with pytest.raises(InputError, match="between -1 and 1"):
        EXAMPLES["audio"].numbers(np.full(4000, 300.0))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("picture", {"std": (0.0,)}),
        ("picture", {"mean": (1.0, 2.0)}),
        ("picture", {"fit": "guess"}),
        ("features", {"columns": ("a", "a")}),
        ("features", {"std": (1.0,)}),
        ("signal", {"steps": 0}),
        ("audio", {"place": "end"}),
        ("tensor", {"type": "object"}),
    ],
)
def test_what_cannot_be_is_refused(kind, change):
    with pytest.raises(InputError):
        EXAMPLES[kind]._replace(**change).check()


@pytest.mark.parametrize("text", ["1_000", "\uff11\uff13", "\u0663"])
def test_texts_that_python_alone_takes_for_numbers_are_refused(text):
    features = Features(("a",))
    assert features.numbers([{"a": " 13.5 "}, {"a": " True"}]).tolist() == [[13.5], [1.0]]
    with pytest.raises(InputError, match="a number is allowed"):
        features.numbers([{"a": text}])
