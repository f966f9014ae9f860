"""Compression in somebody else's training loop: a callback of Keras' own `fit`, on any of its backends."""

from collections.abc import Callable
from typing import Any

from edgepress.base.extras import require

from .compression import UPDATES, Compression
from .scheme import Scheme

__all__ = ["callback", "callback_of", "compiled", "library_of"]


def library_of(model: Any) -> str:
    """`keras` or `tf_keras`: whose model it is, a subclass of theirs included."""
    names = {each.__module__.split(".")[0] for each in type(model).__mro__}
    return "tf_keras" if "tf_keras" in names else "keras"


def callback(model: Any, **scheme: Any) -> Any:
    """What compresses a model while Keras' `fit` trains it: `fit(..., callbacks=[callback(model, sparsity=0.8)])`.

    After each step the model's kernels are compressed ones, so that validation and checkpoints see what will be
    in the file. Where the best epoch is restored, only those count in which all zeros are there: from `ramp` on.

    Args:
        model: Of Keras 3 or tf-keras, built; compiled and fitted by its owner.
        scheme: Fields of `Scheme`: `sparsity`, `pruning`, `scope`, `block`, `layer_sparsity`, `clusters`,
            `weight_bits`, `layer_bits`, `ramp`.

    Returns:
        A `Callback` of the model's own Keras.

    Raises:
        InputError: An unknown field, a value outside its range, a layer that the model does not have, or no kernel
            at all.
    """
    return callback_of(model, Scheme.of(scheme))


def callback_of(model: Any, scheme: Scheme) -> Any:
    """The same, of a scheme that is there already."""
    compression = Compression(model, scheme)
    base: Any = require(library_of(model), extra="toolkit").callbacks.Callback

    class Compress(base):
        def on_train_begin(self, logs: Any = None) -> None:
            self._done = self._since = 0
            self._before: float | None = None
            self._follow = compiled(compression.follow)
            self._choose(0.0)
            self._shown = compression.project(self._settled)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            # On JAX the weights are elsewhere while `fit` runs.
            getattr(self.model, "jax_state_sync", lambda: None)()
            self._shown = self._follow(self._shown, self._settled)
            self._done, self._since = self._done + 1, self._since + 1
            steps = self.params.get("steps")
            if steps and self._since >= max(1, steps // UPDATES):
                self._again(self._done / (steps * self.params["epochs"]))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            # Of a generator nobody knows how many steps there are.
            if not self.params.get("steps") or epoch + 1 == self.params["epochs"]:
                self._again((epoch + 1) / self.params["epochs"])

        def _again(self, progress: float) -> None:
            self._choose(progress)
            self._shown = self._follow(self._shown, self._settled)

        def _choose(self, progress: float) -> None:
            compression.update(progress, self._before)
            self._before, self._since = progress, 0
            self._settled = compression.settled(progress)

    return Compress()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """One graph where TensorFlow runs: a step's many small operations cost more than the step of a small model."""
    if require("keras", extra="toolkit").backend.backend() != "tensorflow":
        return function
    compiled: Callable[..., Any] = require("tensorflow", extra="toolkit").function(function, autograph=False)
    return compiled
