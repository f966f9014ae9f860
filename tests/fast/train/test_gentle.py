"""Small kernels move in proportion to their size, all others as the optimizer says."""

import numpy as np
import pytest

from edgepress.train.fitting.gentle import gently


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


def test_small_kernels_go_a_share_of_their_way(tf):
    sizes = {"usual": 0.1, "small": 0.003, "zero": 0.0}
    variables = [tf.Variable(np.full((4, 5), size, np.float32), name=name) for name, size in sizes.items()]
    variables.append(tf.Variable(np.full(5, 0.003, np.float32), name="bias"))
    variables.append(tf.Variable(np.where(np.arange(20).reshape(4, 5) % 2, 0, 0.1).astype(np.float32), name="sparse"))
    starts = [variable.numpy() for variable in variables]
    step = gently(variables, lambda moves: [each.assign_add(move) for each, move in zip(variables, moves, strict=True)])
    step([tf.fill(variable.shape, 0.01) for variable in variables])
    moved = [float((variable.numpy() - start).mean()) for variable, start in zip(variables, starts, strict=True)]
    np.testing.assert_allclose(moved, [0.01, 0.001, 0.01, 0.01, 0.01], rtol=1e-4)


def test_without_small_ones_the_step_is_the_step_itself(tf):
    def step(gradients) -> None:
        raise AssertionError

    assert gently([tf.Variable(np.full((4, 5), 0.1, np.float32))], step) is step
