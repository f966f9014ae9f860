"""What a search may choose: nothing that the engine that will press refuses."""

import pickle
from dataclasses import replace

import pytest

from edgepress.press.space import space_of, starts
from edgepress.quality import QUALITY, Standing
from edgepress.train import TrainConfig
from edgepress.train.compress.engine.scheme import MEASURED
from edgepress.train.engines import ENGINES, engines_of

CONFIG = TrainConfig()


def space(config):
    return space_of(config, widths=False, pixels=False, least=0.5)


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_measured_layer_by_layer_is_chosen_where_the_engine_measures(name):
    config, measures = replace(CONFIG, engine=name), ENGINES[name].measures
    found = space(config)
    assert (MEASURED in found.scopes) is measures
    assert any(bits not in (8, 4) for bits in found.bits) is measures
    assert all(start["weight_bits"] in found.bits and start["scope"] in found.scopes for start in starts(found))


def test_an_engine_that_is_not_named_may_be_any():
    assert engines_of(CONFIG) == list(ENGINES.values())
    assert MEASURED in space(CONFIG).scopes
    assert space(replace(CONFIG, pruning="2:4")).scopes == ("",)


@pytest.mark.parametrize("kind", QUALITY)
def test_what_candidates_are_held_against_reaches_other_processes(kind):
    for metric in (QUALITY[kind].metric, QUALITY[kind].alone):
        if metric is not None:
            assert pickle.loads(pickle.dumps(Standing(metric, 0.5, 0.25))) == Standing(metric, 0.5, 0.25)
