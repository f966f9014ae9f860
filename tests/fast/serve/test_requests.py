import json

import numpy as np
import pytest

from edgepress.runtime import Picture
from edgepress.runtime.serve.work.problems import Problem
from edgepress.runtime.serve.work.requests import images_from_json, images_from_raw

CONTRACT = Picture(2, 3)
PICTURE = [[0, 1, 2], [253, 254, 255]]
FLAT = [0, 1, 2, 253, 254, 255]


@pytest.mark.parametrize(
    ("value", "count"), [(PICTURE, 1), ([PICTURE], 1), ([PICTURE] * 3, 3), ([FLAT], 1), ([FLAT, FLAT], 2)]
)
def test_json_images_may_be_nested_or_flat_one_or_several(value, count):
    images = images_from_json(json.dumps({"images": value}).encode(), CONTRACT)
    assert images.dtype == np.uint8
    assert images.tolist() == [PICTURE] * count


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b'{"images": [NaN]}', 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b"[1]", 400, "JSON array"),
        (b"{}", 422, "exactly one is allowed, images"),
        (b'{"images": [], "more": 1}', 422, "images"),
        (b'{"images": "x"}', 422, "JSON string"),
        (b'{"images": null}', 422, "JSON null"),
        (b'{"images": []}', 422, "empty"),
        (b'{"images": [[]]}', 422, "empty"),
        (b'{"images": [[1, 2], [3]]}', 422, "ragged"),
        (b'{"images": [1, 2, 3]}', 422, "shape [3]"),
        (b'{"images": [[[[0]]]]}', 422, "shape [1, 1, 1, 1]"),
        (b'{"images": [[0.5, 0, 0, 0, 0, 0]]}', 422, "integers from 0 to 255"),
        (b'{"images": [[true, false, true, true, true, true]]}', 422, "integers from 0 to 255"),
        (b'{"images": [[0, 0, 0, 0, 0, 256]]}', 422, "integers from 0 to 255"),
        (b'{"images": [[0, 0, 0, 0, 0, -1]]}', 422, "integers from 0 to 255"),
        (b'{"images": [[0, 0, 0, 0, 0, 99999999999999999999999]]}', 422, "integers from 0 to 255"),
        (b'{"images": [["0", 0, 0, 0, 0, 0]]}', 422, "integers from 0 to 255"),
        (b'{"images": [{"a": 1}]}', 422, "integers from 0 to 255"),
        (b'{"images": [' + b"[" * 200 + b"]" * 200 + b"]}", 422, ""),
    ],
)
def test_other_json_is_refused_with_what_to_mend(body, status, message):
    with pytest.raises(Problem) as refused:
        images_from_json(body, CONTRACT)
    assert refused.value.status == status
    assert message in refused.value.detail


def test_raw_pixels_are_not_copied():
    body = bytes(FLAT * 2)
    images = images_from_raw(body, CONTRACT)
    assert images.tolist() == [PICTURE] * 2
    assert images.base is not None
    assert not images.flags.owndata


@pytest.mark.parametrize("length", [0, 1, 5, 7])
def test_raw_bytes_that_are_no_whole_pictures_are_refused(length):
    with pytest.raises(Problem, match="multiple of 6") as refused:
        images_from_raw(bytes(length), CONTRACT)
    assert refused.value.status == 422
