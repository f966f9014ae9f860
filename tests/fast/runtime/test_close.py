"""A call that began before `close` ends well or says that the model is closed: nothing else."""

import threading
import time

import numpy as np
import pytest

from edgepress.runtime import ModelClosedError, load
from edgepress.runtime.backends import BACKENDS, present_backends

CASES = [(f"digits-int8.{format}", name) for name in present_backends() for format in BACKENDS[name].formats]


@pytest.mark.parametrize(("file", "backend"), CASES)
@pytest.mark.parametrize("isolate", [False, True])
def test_close_while_others_call(bundle, digits, file, backend, isolate):
    model = load(bundle / file, backend=backend, isolate=isolate)
    spec = model.artifact.inputs[0]
    one, tensor = digits[0][0], np.zeros((1, 784), spec.dtype)
    calls = (lambda: model.predict(one), lambda: model.predict(digits[0][:3]), lambda: model.run(tensor))
    begun, ends = threading.Barrier(len(calls) + 1), []

    def work(call):
        call()
        begun.wait()
        while True:
            try:
                call()
            except Exception as error:
                ends.append(error)
                return
            # A lock is not fair: whoever waits for it must get a turn.
            time.sleep(1e-3)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    begun.wait()
    model.close()
    for thread in threads:
        thread.join()
    assert [type(error) for error in ends] == [ModelClosedError] * len(calls), ends


@pytest.mark.parametrize(("file", "backend"), CASES)
def test_a_shortcut_taken_before_close_ends_well_or_says_it(bundle, digits, file, backend):
    """What happens to a thread that has looked the shortcut up, and gets its turn after `close`."""
    for isolate in (False, True):
        model = load(bundle / file, backend=backend, isolate=isolate)
        model.predict(digits[0][0])
        shortcut = model._predict_one
        model.close()
        late = shortcut(digits[0][0])
        assert late is None or len(late) == 1
        with pytest.raises(ModelClosedError):
            model.predict(digits[0][0])
