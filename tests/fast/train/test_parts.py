"""Arrays made part by part: whole or not there, and never begun twice."""

import numpy as np
import pytest

from edgepress.train.fitting.parts import make_array


class Killed(BaseException):
    """Ends a run where no `except Exception` sees it."""


class Maker:
    """Makes part n as four times n, and is killed when asked for part `until`."""

    def __init__(self, until=None):
        self.until, self.asked = until, []

    def __call__(self, number):
        if number == self.until:
            raise Killed
        self.asked.append(number)
        return np.full(4, number, np.float16)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "array.npy"


WHOLE = np.repeat(np.arange(6), 4).reshape(6, 4)


def leave_three_of_six(path):
    with pytest.raises(Killed):
        make_array(path, 6, Maker(until=3), news="parts")
    assert not path.exists()


def test_an_array_is_made_once(path):
    array = make_array(path, 6, Maker(), news="parts")
    np.testing.assert_array_equal(array, WHOLE)
    assert array.dtype == np.float16
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    np.testing.assert_array_equal(make_array(path, 6, Maker(until=0), news="parts"), WHOLE)


def test_a_killed_run_goes_on_at_the_next_part(path):
    leave_three_of_six(path)
    rest = Maker()
    np.testing.assert_array_equal(make_array(path, 6, rest, news="parts"), WHOLE)
    assert rest.asked == [3, 4, 5]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".unfinished", ".progress"])
@pytest.mark.parametrize("content", [None, b"", b"half"])
def test_what_cannot_be_gone_on_with_is_begun_again(path, ending, content):
    leave_three_of_six(path)
    file = path.with_name(path.name + ending)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    again = Maker()
    np.testing.assert_array_equal(make_array(path, 6, again, news="parts"), WHOLE)
    assert again.asked == [0, 1, 2, 3, 4, 5]


def test_what_is_left_of_a_shorter_array_is_not_gone_on_with(path):
    leave_three_of_six(path)
    again = Maker()
    np.testing.assert_array_equal(make_array(path, 8, again, news="parts")[:6], WHOLE)
    assert again.asked == list(range(8))
