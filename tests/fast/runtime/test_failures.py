"""Whatever a backend's library raises at a call comes out as one line of ours."""

import numpy as np
import pytest

from edgepress.runtime import InputError, load
from edgepress.runtime.backends import BACKENDS, present_backends

CASES = [(f"digits-int8.{format}", name) for name in present_backends() for format in BACKENDS[name].formats]


class Raising:
    """A session that fails as its library does."""

    def __init__(self, session, error):
        self._error, self.failures, self.chunk = error, session.failures, session.chunk
        self.inputs, self.outputs = session.inputs, session.outputs

    def run(self, arrays):
        raise self._error

    call = run

    def close(self):
        pass


@pytest.mark.parametrize(("file", "backend"), CASES)
def test_every_failure_is_an_input_error(bundle, digits, file, backend):
    with load(bundle / file, backend=backend) as model:
        name = model.artifact.inputs[0].name
        session, x = model._session, np.zeros((1, 784), model.artifact.inputs[0].dtype)
        assert {ValueError} <= set(session.failures)
        for kind in session.failures:
            model._session = raising = Raising(session, kind("it\nfailed"))
            model._call_raw = raising.call
            for call in (lambda: model.run(x), lambda: model.run({name: x}), lambda: model.predict(digits[0][:2])):
                with pytest.raises(InputError, match=f"{backend} cannot run this input: it failed"):
                    call()


def test_onnxruntimes_own_classes_are_all_known(bundle):
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = {value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert {state.Fail, state.RuntimeException, state.InvalidArgument} <= own
    assert not any(issubclass(kind, ValueError | RuntimeError) for kind in own), "nothing to map"
    with load(bundle / "digits-int8.onnx", backend="onnxruntime") as model:
        assert own <= set(model._session.failures)


@pytest.mark.parametrize(("file", "backend"), CASES)
def test_a_real_failure_is_an_input_error(bundle, file, backend):
    """Past our own checks, as a shape that only the library knows to be wrong."""
    with load(bundle / file, backend=backend) as model:
        dtype = model.artifact.inputs[0].dtype
        for wrong in (np.zeros((1, 783), dtype), np.zeros((1, 784), np.float64)):
            with pytest.raises(model._session.failures):
                model._session.run([wrong])
        assert model.run(np.zeros((2, 784), dtype)).shape == (2, 10)
