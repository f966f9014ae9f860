"""Which folder a press takes, and when it refuses one."""

import json

import pytest

from edgepress.press.pipeline import _enter, next_run_folder
from edgepress.runtime import InputError

PLAN = {"dataset": "mnist", "preset": "quick", "seed": 0}
OWN = ["float.keras", "float.history.json", ".pressed-prune.checkpoint.npz", "search/journal.log"]


def left(folder, plan):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(plan))
    for name in OWN:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("of a press")
    return folder


def own_files(folder):
    return [name for name in OWN if (folder / name).exists()]


def test_the_first_folder_is_number_one(tmp_path):
    assert next_run_folder(tmp_path, PLAN) == tmp_path / "mnist-quick-1"


def test_a_preset_of_ones_own_gives_the_folder_its_name(tmp_path):
    plan = PLAN | {"preset": "settings/tiny.toml"}
    assert next_run_folder(tmp_path, plan) == tmp_path / "mnist-tiny-1"


def test_an_unfinished_press_is_taken_up_and_a_finished_one_left_alone(tmp_path):
    left(tmp_path / "mnist-quick-1", PLAN | {"finished": True})
    unfinished = left(tmp_path / "mnist-quick-2", PLAN)
    assert next_run_folder(tmp_path, PLAN) == unfinished
    assert next_run_folder(tmp_path, PLAN | {"seed": 1}) == tmp_path / "mnist-quick-3"


def test_going_on_keeps_what_is_there(tmp_path):
    run = left(tmp_path / "run", PLAN)
    assert _enter(run, PLAN, overwrite=False)
    assert own_files(run) == OWN


def test_overwriting_begins_an_unfinished_press_again_and_keeps_what_is_not_its_own(tmp_path):
    run = left(tmp_path / "run", PLAN)
    (run / "notes.txt").write_text("mine")
    (run / "bundle").mkdir()
    assert not _enter(run, PLAN, overwrite=True)
    assert own_files(run) == []
    assert sorted(path.name for path in run.iterdir()) == ["bundle", "notes.txt", "run.json"]


@pytest.mark.parametrize("found", [PLAN | {"finished": True}, PLAN | {"seed": 1}])
def test_another_press_is_refused_unless_overwritten(tmp_path, found):
    run = left(tmp_path / "run", found)
    with pytest.raises(InputError, match="--overwrite"):
        _enter(run, PLAN, overwrite=False)
    assert own_files(run) == OWN
    _enter(run, PLAN, overwrite=True)
    assert own_files(run) == []


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(InputError, match="is not empty"):
        _enter(tmp_path, PLAN, overwrite=False)
