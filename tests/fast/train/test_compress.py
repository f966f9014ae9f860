"""What compression makes of single kernels: which weights leave, which share a value, which integers they get."""

import math

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.runtime import InputError
from edgepress.train import TrainConfig, compress
from edgepress.train.compress import Scheme
from edgepress.train.compress.engine.compression import UPDATES
from edgepress.train.compress.engine.grid import clipping, nearest, rounded, summed, values_of
from edgepress.train.compress.engine.kernels import kernels_of
from edgepress.train.compress.engine.patterns import largest, largest_everywhere, two_of_four
from edgepress.train.compress.engine.scheme import MEASURED
from edgepress.train.compress.engine.sensitivity import allocated, measured, stated
from edgepress.train.engines import ENGINES
from edgepress.train.engines.own import pruning_of


@pytest.fixture
def kernel():
    return np.random.default_rng(0).normal(size=(3, 3, 8, 6)).astype(np.float32)


def test_the_smallest_leave(kernel):
    kept = largest(kernel, 0.7, (3,))
    assert (~kept).sum() == round(0.7 * kernel.size)
    assert np.abs(kernel[~kept]).max() <= np.abs(kernel[kept]).min()


def test_equal_weights_leave_to_the_very_number():
    assert (~largest(np.ones((10, 10), np.float32), 0.35, (1,))).sum() == 35


def test_blocks_leave_as_a_whole():
    kernel = np.random.default_rng(0).normal(size=(16, 10)).astype(np.float32)
    kept = largest(kernel, 0.5, (1,), (4, 2))
    tiles = kept.reshape(4, 4, 5, 2).swapaxes(1, 2).reshape(20, 8)
    assert set(tiles.sum(axis=1)) == {0, 8}
    assert (tiles.sum(axis=1) == 0).sum() == 10


def test_a_block_at_the_edge_counts_by_its_mean():
    # Two rows and a half of blocks: the half block is as large a mean as any.
    kernel = np.ones((5, 4), np.float32)
    kernel[4] = 9
    assert largest(kernel, 0.5, (1,), (2, 2))[4].all()


def test_two_of_each_four_inputs_stay(kernel):
    kept = two_of_four(kernel, (3,))
    groups = np.moveaxis(kept, 3, 0).reshape(6, -1, 4)
    assert (groups.sum(axis=2) == 2).all()
    assert two_of_four(np.ones((6, 2), np.float32), (1,))[4:].all(), "an incomplete group stays whole"


def test_everywhere_spares_small_kernels():
    rng = np.random.default_rng(0)
    large, small = rng.normal(size=(100, 100)).astype(np.float32), rng.normal(size=(4, 4)).astype(np.float32)
    kept = largest_everywhere([large, small], 0.8)
    assert sum((~each).sum() for each in kept) == round(0.8 * 10_016)
    assert kept[1].mean() > 0.5 > kept[0].mean()
    # Another scale of one layer changes nothing.
    assert all(map(np.array_equal, largest_everywhere([large, 100 * small], 0.8), kept))


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_converter_finds_the_same_integers(kernel, bits):
    levels = 2 ** (bits - 1) - 1
    made = np.asarray(rounded(kernel, clipping(kernel, bits, (3,)), bits, (3,)))
    scale = np.abs(made).max(axis=(0, 1, 2), keepdims=True) / levels
    integers = made / scale
    np.testing.assert_allclose(integers, np.round(integers), atol=1e-4)
    assert len(np.unique(np.round(integers))) <= 2 * levels + 1


def test_cutting_off_lowers_the_error(kernel):
    def error(clip):
        return float(np.square(np.asarray(rounded(kernel, clip, 2, (3,))) - kernel).sum())

    assert error(clipping(kernel, 2, (3,))) < 0.7 * error(np.ones((1, 1, 1, 6), np.float32))


def test_a_channel_of_zeros_stays_zero():
    kernel = np.zeros((4, 2), np.float32)
    kernel[:, 1] = 0.5
    made = np.asarray(rounded(kernel, clipping(kernel, 4, (1,)), 4, (1,)))
    np.testing.assert_array_equal(made, kernel)


@pytest.mark.parametrize(
    ("ends", "bits", "normalized", "axes"),
    [
        ([1, 0.5, 0], 8, False, ()),
        ([1, 0.5, 0], 4, False, (1,)),
        ([1, 0.5, 0], 8, True, (1,)),
        # A unit whose largest weight would be 6 steps of 127.
        ([1, 0.05, 0], 8, False, (1,)),
        ([0, 0, 0], 8, False, (1,)),
    ],
)
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_a_dense_kernel_of_8_bits_has_one_scale_where_its_units_are_alike(library, ends, bits, normalized, axes):
    layers = library.layers
    rest = [layers.BatchNormalization()] * normalized
    model = library.Sequential([library.Input((8, 2)), layers.Conv1D(2, 3), layers.Dense(3), *rest])
    convolution, dense = kernels_of(model)
    weights = np.random.default_rng(0).uniform(-1, 1, (2, 3)).astype(np.float32)
    weights[0] = 1
    assert dense.scaled(weights * np.float32(ends), bits) == axes
    assert convolution.scaled(np.ones((3, 2, 2), np.float32), bits) == (2,)


def test_recurrent_and_attention_kernels_are_matrices_and_those_of_convolutions_are_not():
    layers, steps = keras.layers, keras.Input((6, 4, 4))
    found = layers.Reshape((6, 16))(layers.ConvLSTM1D(4, 1, return_sequences=True, padding="same")(steps))
    found = layers.GRU(3)(layers.MultiHeadAttention(2, 3)(found, layers.SeparableConv1D(4, 3, padding="same")(found)))
    kernels = kernels_of(keras.Model(steps, found))
    matrices = [kernel.layer for kernel in kernels if kernel.matrix]
    assert len(matrices) == 6
    assert {name.split("_")[0] for name in matrices} == {"multi", "gru"}
    one = [kernel.scaled(np.ones(kernel.variable.shape, np.float32), 8) == () for kernel in kernels]
    assert one == [kernel.matrix for kernel in kernels]


@pytest.mark.parametrize("zeros", [True, False])
def test_weights_share_few_values(kernel, zeros):
    if zeros:
        kernel[np.abs(kernel) < 0.7] = 0
    values = values_of(kernel, 16, zeros=zeros)
    assert len(values) == 16
    assert (0 in values) == zeros
    # Whatever the order of the values, which training changes.
    mixed = np.random.default_rng(0).permutation(values)
    index = np.asarray(nearest(kernel, mixed))
    apart = np.abs(kernel[..., None] - mixed)
    np.testing.assert_allclose(np.abs(kernel - mixed[index]), apart.min(axis=-1), atol=1e-6)
    if not zeros:
        # Lloyd's condition: every value is the mean of those that share it.
        sums, counts = (np.asarray(summed(each, index, 16)) for each in (kernel, np.ones_like(kernel)))
        np.testing.assert_allclose(sums / counts, mixed, atol=1e-5)


def test_fewer_weights_than_values():
    kernel = np.array([[-1.0, 0.0, 2.0]], np.float32)
    values = values_of(kernel, 16, zeros=True)
    np.testing.assert_array_equal(values, [-1, 0, 2])
    np.testing.assert_array_equal(values[np.asarray(nearest(kernel, values))], kernel)


def test_zeros_come_as_zhu_and_gupta_have_it():
    scheme = Scheme(0.8, ramp=0.5)
    shares = [scheme.share(progress) for progress in (0, 0.25, 0.5, 1)]
    assert shares == [0, 1 - 0.5**3, 1, 1]
    assert [scheme.settled(progress) for progress in (0, 0.49, 0.5)] == [False, False, True]
    assert Scheme(weight_bits=4).settled(0), "what prunes nothing has nothing to wait for"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sparsity": 1.0}, "sparsity 1.0: allowed is from 0"),
        ({"clusters": 2}, "clusters 2: allowed is 0, or from 3"),
        ({"clusters": 16, "weight_bits": 4}, "8 or 0 where values are shared"),
        ({"scope": "model", "block": (4, 4)}, "layer where whole blocks leave"),
        ({"pruning": "random"}, "one of polynomial"),
        ({"layer_bits": {"head": 3}}, "8, 4, 2, or 0 for each layer"),
        ({"layer_bits": {"head": 8}, "clusters": 16}, "none where values are shared"),
        ({"scope": "measured", "pruning": "2:4"}, "layer or model where pruning is 2:4"),
        ({"weight_bits": 9}, "weight_bits 9: allowed is 8, 4, 2"),
        ({"sparsness": 0.8}, "sparsness: allowed are sparsity, pruning"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked, told):
    with pytest.raises(InputError, match=told):
        stated(asked)


@pytest.mark.parametrize(
    ("given", "told"), [({"epochs": 0}, "epochs 0: 1 or more"), ({"data": [1, 2]}, "give a tuple")]
)
def test_a_call_that_would_compress_nothing_is_refused(given, told):
    with pytest.raises(InputError, match=told):
        compress(None, **({"data": (1, 2), "sparsity": 0.5} | given))


@pytest.mark.parametrize("epochs", range(1, 12))
def test_all_zeros_are_there_at_the_last_choice_of_a_press(epochs):
    scheme = pruning_of(TrainConfig(prune_epochs=epochs, sparsity=0.8))
    last = 1 - 1 / (UPDATES * epochs)
    assert scheme.settled(last)
    assert scheme.share(last) == 1


def test_what_is_won_costs_least():
    damages = {"steep": [0, 4.0, 9.0], "flat": [0, 0.1, 0.3], "large": [0, 8.0, 6.0]}
    won = {"steep": [0, 1, 2], "flat": [0, 1, 2], "large": [0, 10, 20]}
    assert allocated(damages, won, 2) == {"steep": 0, "flat": 2, "large": 0}
    # A level that happens to do less than the one before is taken at once.
    assert allocated(damages, won, 3) == {"steep": 0, "flat": 2, "large": 2}
    assert allocated(damages, won, 99) == {"steep": 2, "flat": 2, "large": 2}


def test_layers_that_tell_little_lose_most():
    keras = pytest.importorskip("keras", reason="needs the toolkit extra")
    keras.utils.set_random_seed(0)
    layers, given = keras.layers, keras.Input((16,))
    told, whispered = layers.Dense(16, name="told")(given), layers.Dense(16, name="whispered")(given)
    model = keras.Model(given, told + layers.Rescaling(0.01)(whispered))
    before, inputs = model.get_weights(), np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    scheme = measured(model, lambda: [inputs], {"scope": "measured", "sparsity": 0.4, "weight_bits": 6})
    assert scheme.layer_sparsity["told"] < 0.1 < 0.7 < scheme.layer_sparsity["whispered"]
    assert sum(round(256 * share) for share in scheme.layer_sparsity.values()) == math.ceil(512 * 0.4)
    assert scheme.layer_bits == {"told": 8, "whispered": 4}
    assert all(map(np.array_equal, model.get_weights(), before)), "the model is as it was"
    asked = {"weight_bits": 6, "layer_bits": {"whispered": 8}}
    assert measured(model, lambda: [inputs], asked).layer_bits == {"told": 4, "whispered": 8}
    assert measured(model, pytest.fail, {"sparsity": 0.5, "weight_bits": 4}) == Scheme(0.5, weight_bits=4)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_measures_layers_where_it_says_so(name):
    keras = pytest.importorskip("tf_keras")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    for changes in ({"scope": MEASURED}, {"weight_bits": 6}):
        taken = not ENGINES[name].refuses(model, TrainConfig(engine=name, **changes), "")
        assert taken is ENGINES[name].measures
