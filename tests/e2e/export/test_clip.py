"""Files whose 8-bit input would have a few numbers far out answer what their model does."""

import numpy as np

from edgepress.export import export
from edgepress.runtime import load


def test_a_few_loud_numbers_do_not_cost_the_quiet_ones(tmp_path):
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    layers, random = keras.layers, np.random.default_rng(0)
    x = random.normal(0, 0.05, (800, 64, 1)).astype(np.float32)
    x[random.random(x.shape) < 0.0005] = 20
    model = keras.Sequential([
        keras.Input((64, 1), name="x"), layers.Flatten(), layers.Rescaling(20.0), layers.Activation("tanh"),
        layers.Dense(5),
    ])  # fmt: skip
    model.save(tmp_path / "m.keras")
    # Two ways of measuring: TensorFlow's converter and LiteRT's quantizer; 16 bits have steps enough for all.
    variants = ["tflite:int8", "tflite:int16x8", "tflite:int4"]
    result = export({"m": tmp_path / "m.keras"}, {"x": x}, tmp_path / "out", variants=variants)
    # One step of the whole range is as wide as all that is quiet: neither file of 8 bits keeps its bound then.
    assert result.withheld == ()
    (clip,) = result.manifest.source["models"]["m"]["clipped"].values()
    assert clip["percentile"] == 99.9
    found = {each.variant: each.inputs[0] for each in result.manifest.artifacts}
    assert found["int16x8"].scale * 32767 > 19
    steps = found["int8"].quantization
    ends = steps.dequantize(np.array([-128, 127]))
    np.testing.assert_allclose(ends, [clip["low"], clip["high"]], atol=1.01 * steps.scale)
    wanted = model.predict(x, verbose=0)
    loud = x.max(axis=(1, 2)) > 1
    assert loud.any()
    for artifact in result.manifest.artifacts:
        with load(tmp_path / "out" / artifact.file) as loaded:
            (given,) = loaded.predict(x).outputs.values()
        # What is beyond the end is held there, and does not come out at the other one.
        assert np.abs(given - wanted)[loud].max() < 0.2 * np.ptp(wanted), artifact.file
