"""Decay shrinks kernels and leaves biases alone."""

import numpy as np

from edgepress.runtime.contract import Picture
from edgepress.runtime.tasks import Task
from edgepress.train import build_mlp
from edgepress.train.fitting.distill import PoolEpochs
from edgepress.train.fitting.epochs import one_hot
from edgepress.train.fitting.fit import FitPlan, Validation, fit


def test_kernels_shrink_by_rate_times_decay_each_step():
    images = np.zeros((1, 64, 2, 2), np.uint8)
    labels = np.arange(64) % 2
    model = build_mlp(4, 2, [])
    kernel, bias = model.get_weights()[0].copy(), np.ones(2, np.float32)
    model.set_weights([kernel, bias])
    source = PoolEpochs(images, one_hot(labels, 2, smoothing=1.0), seed=(0,))
    plan = FitPlan("decay", 1, 16, lambda progress: 0.1, 1, (0,), weight_decay=0.5)
    validation = Validation(images[0], labels, one_hot(labels, 2))
    task = Task("multiclass", "logits", ("a", "b"))
    fit(model, source, validation, plan, examples=len(source), contract=Picture(2, 2), task=task)
    shrunk, kept = model.get_weights()
    np.testing.assert_allclose(shrunk, kernel * (1 - 0.1 * 0.5) ** 4, rtol=1e-5)
    np.testing.assert_allclose(kept, bias, atol=1e-5)
