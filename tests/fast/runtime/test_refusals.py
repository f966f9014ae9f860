"""Why a lone file is not run: one reason for each cause, and no reason against a good file."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, Refusal, load
from edgepress.runtime.backends import isolated
from edgepress.runtime.backends.isolated import IsolatedSession
from edgepress.runtime.formats import check_tflite as check_module
from edgepress.runtime.formats.check_tflite import check_tflite, memory_bytes

flatbuffers = pytest.importorskip("flatbuffers")
GOLDEN = Path(__file__).parents[2] / "golden"


def file_with(custom=None, builtin=None, shape=(1, 4), count=1, inner=False):
    """A `.tflite` file of one operator after another; with `inner` a second graph, without inputs and outputs."""
    import tflite

    builder = flatbuffers.Builder(1024)

    def vector(values, start, prepend):
        start(builder, len(values))
        for value in reversed(values):
            prepend(value)
        return builder.EndVector()

    def ints(values, start):
        return vector(values, start, builder.PrependInt32)

    def offsets(values, start):
        return vector(values, start, builder.PrependUOffsetTRelative)

    name = builder.CreateString(custom) if custom else None
    tflite.OperatorCodeStart(builder)
    code = tflite.BuiltinOperator.CUSTOM if custom else builtin
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
    tflite.OperatorCodeAddBuiltinCode(builder, code)
    tflite.OperatorCodeAddVersion(builder, 1)
    if name:
        tflite.OperatorCodeAddCustomCode(builder, name)
    codes = offsets([tflite.OperatorCodeEnd(builder)], tflite.ModelStartOperatorCodesVector)
    tensors = []
    for index in range(count + 1):
        label, dims = builder.CreateString(f"t{index}"), ints(shape, tflite.TensorStartShapeVector)
        tflite.TensorStart(builder)
        tflite.TensorAddName(builder, label)
        tflite.TensorAddShape(builder, dims)
        tensors.append(tflite.TensorEnd(builder))
    operators = []
    for index in range(count):
        inputs = ints([index], tflite.OperatorStartInputsVector)
        outputs = ints([index + 1], tflite.OperatorStartOutputsVector)
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, 0)
        tflite.OperatorAddInputs(builder, inputs)
        tflite.OperatorAddOutputs(builder, outputs)
        operators.append(tflite.OperatorEnd(builder))
    graphs = []
    for used in (True, False)[: 1 + inner]:
        parts = (
            offsets(tensors if used else [], tflite.SubGraphStartTensorsVector),
            ints([0] if used else [], tflite.SubGraphStartInputsVector),
            ints([count] if used else [], tflite.SubGraphStartOutputsVector),
            offsets(operators if used else [], tflite.SubGraphStartOperatorsVector),
        )
        tflite.SubGraphStart(builder)
        adds = (
            tflite.SubGraphAddTensors, tflite.SubGraphAddInputs, tflite.SubGraphAddOutputs,
            tflite.SubGraphAddOperators,
        )  # fmt: skip
        for add, part in zip(adds, parts, strict=True):
            add(builder, part)
        graphs.append(tflite.SubGraphEnd(builder))
    graph = offsets(graphs, tflite.ModelStartSubgraphsVector)
    tflite.BufferStart(builder)
    buffers = offsets([tflite.BufferEnd(builder)], tflite.ModelStartBuffersVector)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graph)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


RELU, UNKNOWN = 19, 250


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        (file_with("edgetpu-custom-op"), Refusal.ACCELERATOR, "take the file that it was compiled from"),
        (file_with("ethos-u"), Refusal.ACCELERATOR, "take the file that it was compiled from"),
        (file_with("FlexErf"), Refusal.NEEDS_SELECT_TF, r"operator Erf \(Select TF ops\)"),
        (file_with("MyOwn"), Refusal.UNKNOWN_OPERATOR, "custom operator MyOwn"),
        (file_with(builtin=UNKNOWN), Refusal.UNKNOWN_OPERATOR, "update edgepress"),
        (file_with(builtin=RELU, shape=(1, 1 << 26)), Refusal.TOO_LARGE, "at once"),
        (file_with(builtin=RELU)[:200], Refusal.MALFORMED, "damaged"),
    ],
)
def test_each_cause_has_its_own_reason(tmp_path, content, reason, message):
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ArtifactRefusedError, match=message) as caught:
        load(tmp_path / "m.tflite")
    assert caught.value.reason is reason
    assert ("unsafe" in str(caught.value) or "damaged" in str(caught.value)) == (reason is Refusal.MALFORMED)


def test_what_the_interpreters_bring_is_isolated_not_refused():
    for name in ("TFLite_Detection_PostProcess", "Mfcc", "AudioSpectrogram"):
        assert check_tflite(file_with(name))[1] is False
    assert check_tflite(file_with(builtin=RELU))[1] is True


def test_an_inner_graph_without_inputs_is_isolated_and_run(tmp_path):
    assert check_tflite(file_with(builtin=RELU, inner=True))[1] is False
    (tmp_path / "m.tflite").write_bytes(file_with(builtin=RELU, inner=True))
    with load(tmp_path / "m.tflite") as model:
        assert isinstance(model._session, IsolatedSession)
        assert model.run(np.float32([[-1, 0, 1, 2]])).tolist() == [[0, 0, 1, 2]]


def test_buffers_that_are_used_again_count_once(tmp_path, monkeypatch):
    content = file_with(builtin=RELU, shape=(1, 1 << 10), count=40)
    graph = check_tflite(content)[0].main
    assert memory_bytes(graph) == 2 * 4 << 10
    monkeypatch.setattr(check_module, "_MEMORY", 3 * 4 << 10)
    assert check_tflite(content)[1]
    monkeypatch.setattr(check_module, "_MEMORY", 1 * 4 << 10)
    with pytest.raises(ArtifactRefusedError, match="at once"):
        check_tflite(content)


def test_a_process_that_cannot_be_started_is_not_the_files_fault(monkeypatch):
    real = subprocess.Popen

    def broken(command, **settings):
        return real([command[0], "-c", "raise SystemExit(3)"], **settings)

    def none(command, **settings):
        raise PermissionError(13, "Permission denied")

    for start, how in ((broken, "exit status 3"), (none, "Permission denied")):
        monkeypatch.setattr(isolated, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start}))
        with pytest.raises(ArtifactRefusedError, match=f"cannot be started here.*{how}") as caught:
            load(GOLDEN / "lstm.tflite")
        assert caught.value.reason is Refusal.NO_ISOLATION
        assert "unsafe" not in str(caught.value)
