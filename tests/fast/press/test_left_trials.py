"""A search that was killed takes up its trials as what they were: same numbers, same values, each once."""

import dataclasses

import pytest

from edgepress.press.search import _open_study, _trials
from edgepress.press.space import Space, space_of, starts, suggest
from edgepress.train import TrainConfig

pytest.importorskip("optuna", reason="needs the toolkit extra")
SPACE = Space(widths=True, pixels=False)


class Crew:
    """Runs nothing: says which trials it was given, in turn."""

    def __init__(self, size):
        self.size, self.given = size, []

    def submit(self, number, *args):
        self.given.append((number, args[1]))

    def next(self):
        return self.given[-1][0], []


def test_left_trials_go_first_under_their_own_numbers(tmp_path):
    study, left = _open_study(tmp_path / "journal.log", TrainConfig(), SPACE)
    assert not left
    before = [(trial.number, suggest(trial, SPACE)) for trial in (study.ask() for _ in range(2))]
    again, left = _open_study(tmp_path / "journal.log", TrainConfig(), SPACE)
    assert [trial.number for trial in left] == [0, 1]
    crew = Crew(1)
    for trial, _, _ in _trials(again, left, SPACE, crew, 4, ()):
        again.tell(trial, [1.0, 1.0])
    assert crew.given[:2] == before
    assert [number for number, _ in crew.given] == [0, 1, 2, 3]
    assert len({str(parameters) for _, parameters in crew.given}) == 4
    finished, left = _open_study(tmp_path / "journal.log", TrainConfig(), SPACE)
    assert not left
    assert sum(trial.values is not None for trial in finished.trials) == 4


def test_what_a_trial_becomes_does_not_depend_on_how_often_the_search_was_left(tmp_path):
    found = []
    for way, lives in (("once", [12]), ("often", [6, 2, 4])):
        crew = Crew(1)
        for count in lives:
            study, left = _open_study(tmp_path / f"{way}.log", TrainConfig(), SPACE)
            for trial, _, _ in _trials(study, left, SPACE, crew, count, (), 3):
                study.tell(trial, [1 / (1 + trial.number), float(trial.number)])
        found.append(crew.given)
    assert found[0] == found[1]


def test_shares_of_channels_are_tried_as_far_as_a_model_can_lose_them():
    whole, half = (starts(Space(False, False, channels)) for channels in ((1.0,), (1.0, 0.75, 0.5)))
    assert [each["structured"] for each in whole] == [1.0] * 4
    assert [each["structured"] for each in half] == [1.0, 1.0, 0.75, 0.5]


@pytest.mark.parametrize(
    ("preset", "bits", "scopes"),
    [
        ({}, (8, 6, 4), ("", "measured")),
        ({"scope": "layer"}, (8, 6, 4), ("layer", "measured")),
        ({"engine": "tfmot"}, (8, 4), ("",)),
        ({"pruning": "2:4"}, (8, 6, 4), ("",)),
        ({"clusters": 16}, (8,), ("", "measured")),
    ],
)
def test_nothing_is_tried_that_the_preset_refuses(preset, bits, scopes):
    config = TrainConfig(**preset)
    space = space_of(config, widths=False, pixels=False, least=0.4)
    assert space == Space(False, False, (1.0, 0.75, 0.5), bits, scopes)
    for start in starts(space):
        dataclasses.replace(config, **start)
