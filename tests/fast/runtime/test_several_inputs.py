"""A model with several inputs answers what its task asks, as one with one input does."""

import numpy as np
import pytest
from click.testing import CliRunner
from kinds import WINE, make_kind, wine_rows

from edgepress.base.files import write_file
from edgepress.cli import main
from edgepress.runtime import InputError, Task, load
from edgepress.runtime.bundle.manifest import Manifest

LEFT = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def classifier(tmp_path):
    """A bundle that answers yes or no about two inputs."""
    folder = make_kind(tmp_path / "several", "several")
    manifest = Manifest.read(folder)._replace(task=Task("binary", "logits", ("stays", "leaves")))
    write_file(folder / "manifest.json", manifest.to_json())
    return folder


def test_a_classifier_of_several_inputs(classifier):
    """It was told to use `run`, though the bundle says how each input is made."""
    rows = WINE.numbers(wine_rows(5))
    with load(classifier, "float32") as model:
        found = model.predict({"left": LEFT, "right": rows})
        (output,) = (model.run({"left": LEFT, "right": WINE.normalize(rows)}),)
        np.testing.assert_allclose(found.probabilities[:, 1], 1 / (1 + np.exp(-output[:, 0])), atol=1e-6)
        assert found.labels.tolist() == [("stays", "leaves")[int(value > 0)] for value in output[:, 0]]
        with pytest.raises(InputError, match="the model takes a mapping of left, right"):
            model.predict({"left": LEFT})


def test_files_may_hold_right_answers_too(classifier, tmp_path):
    rows = WINE.numbers(wine_rows(5))
    np.savez(tmp_path / "plain.npz", left=LEFT, right=rows)
    np.savez(tmp_path / "with.npz", left=LEFT, right=rows, labels=np.arange(5))
    np.savez(tmp_path / "odd.npz", left=LEFT, right=rows, notes=np.arange(5))
    with load(classifier, "float32") as model:
        plain, answered = (model.predict_files(tmp_path / name) for name in ("plain.npz", "with.npz"))
        np.testing.assert_array_equal(plain.probabilities, answered.probabilities)
        with pytest.raises(InputError, match=r"holds left, right, notes: an \.npz with the arrays left, right"):
            model.predict_files(tmp_path / "odd.npz")


def test_archives_for_one_input(tmp_path):
    folder = make_kind(tmp_path / "wine", "features")
    rows = WINE.numbers(wine_rows(5))
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "rows.npz", data=rows, target=np.arange(5))
    np.savez(tmp_path / "parts.npz", x_train=rows, x_test=rows)
    with load(folder, "float32") as model:
        by_array, by_archive = (model.predict_files(tmp_path / name) for name in ("rows.npy", "rows.npz"))
        np.testing.assert_array_equal(by_array.probabilities, by_archive.probabilities)
    asked = CliRunner().invoke(main, ["predict", str(folder), str(tmp_path / "parts.npz"), "--variant", "float32"])
    assert asked.exit_code == 2
    assert "holds x_train, x_test: one array of examples is allowed; `edgepress predict --data`" in asked.stderr
