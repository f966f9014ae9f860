"""Which folder a press takes, and when it refuses one."""

import json

import pytest

from edgepress.press.pipeline import _enter, next_run_folder
from edgepress.runtime import InputError

PLAN = {"dataset": "mnist", "preset": "quick", "seed": 0}


def left(folder, plan):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(plan))
    (folder / "float.keras").write_text("a model")
    return folder


def test_the_first_folder_is_number_one(tmp_path):
    assert next_run_folder(tmp_path, PLAN) == tmp_path / "mnist-quick-1"


def test_an_unfinished_press_is_taken_up_and_a_finished_one_left_alone(tmp_path):
    left(tmp_path / "mnist-quick-1", PLAN | {"finished": True})
    unfinished = left(tmp_path / "mnist-quick-2", PLAN)
    assert next_run_folder(tmp_path, PLAN) == unfinished
    assert next_run_folder(tmp_path, PLAN | {"seed": 1}) == tmp_path / "mnist-quick-3"


def test_going_on_keeps_what_is_there(tmp_path):
    run = left(tmp_path / "run", PLAN)
    _enter(run, PLAN, overwrite=False)
    assert (run / "float.keras").exists()


@pytest.mark.parametrize("found", [PLAN | {"finished": True}, PLAN | {"seed": 1}])
def test_another_press_is_refused_unless_overwritten(tmp_path, found):
    run = left(tmp_path / "run", found)
    with pytest.raises(InputError, match="--overwrite"):
        _enter(run, PLAN, overwrite=False)
    assert (run / "float.keras").exists()
    _enter(run, PLAN, overwrite=True)
    assert not (run / "float.keras").exists()


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(InputError, match="is not empty"):
        _enter(tmp_path, PLAN, overwrite=False)
