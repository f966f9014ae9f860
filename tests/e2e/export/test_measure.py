import numpy as np

from edgepress.export.fidelity.measure import run_artifacts
from edgepress.export.inspect.describe import describe
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
