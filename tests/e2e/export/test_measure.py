import numpy as np
import pytest

from edgepress.base.child import Ended
from edgepress.export.errors import ConversionError
from edgepress.export.fidelity import measure
from edgepress.export.fidelity.measure import run_artifacts
from edgepress.export.inspect.describe import describe
from edgepress.export.tflite import quantizer
from edgepress.runtime import Artifact


def artifact(path):
    found = describe(path)
    return Artifact(path.name, "tiny", found.format, "", "", found.bytes, found.inputs, found.outputs)


def test_integer_and_float_files_take_and_give_real_numbers(files, tiny, samples):
    artifacts = [artifact(files[key]) for key in ("tflite:int8", "onnx:float32")]
    answers = run_artifacts(files["tflite:int8"].parent, artifacts, samples)
    reference = tiny.model.predict(samples.inputs["pixels"], verbose=0)
    for each in artifacts:
        outputs = answers[each.file]["logits"]
        assert outputs.shape == reference.shape
        assert (outputs.argmax(1) == reference.argmax(1)).mean() > 0.98


def test_a_file_that_does_not_run_is_named_and_the_others_go_on(files, samples, tmp_path):
    good = files["tflite:float32"]
    (tmp_path / good.name).write_bytes(good.read_bytes())
    (tmp_path / "broken.tflite").write_bytes(good.read_bytes()[:2000])
    broken = artifact(good)._replace(file="broken.tflite")
    answers = run_artifacts(tmp_path, [broken, artifact(good)], samples)
    assert isinstance(answers["broken.tflite"], str)
    assert np.isfinite(answers[good.name]["logits"]).all()


def test_a_file_that_never_ends_is_named_and_the_next_one_is_run(files, samples, monkeypatch):
    """The process is ended without a sign of life; its first file without an answer is the one that hangs."""
    real, limits = measure.run_module, []

    def first_hangs(module, folder, *, seconds, alive):
        limits.append(seconds)
        if len(limits) == 1:
            return Ended(-9, "", "", f"no sign of life for {seconds:g} s")
        return real(module, folder, seconds=seconds, alive=alive)

    monkeypatch.setattr(measure, "run_module", first_hangs)
    artifacts = [artifact(files[key]) for key in ("tflite:int8", "tflite:float32")]
    answers = run_artifacts(files["tflite:int8"].parent, artifacts, samples[:8])
    assert answers["tiny-int8.tflite"] == "the process that ran it: no sign of life for 300 s"
    assert answers["tiny-float32.tflite"]["logits"].shape == (8, 4)


def test_a_program_that_takes_too_long_is_said(monkeypatch, tmp_path):
    (tmp_path / "sleeper.py").write_text("import time\n\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(quantizer, "_SECONDS", 0.2)
    with pytest.raises(ConversionError, match=r"not done after 0\.2 s"):
        quantizer.run_program("sleeper", tmp_path)
