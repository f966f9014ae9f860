"""Bundles that were written before there were contracts and tasks: load, predict, self-test.

`tests/golden/schema-1` holds what edgepress 0.1.0 wrote about two of the golden files.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgepress.cli import main
from edgepress.runtime import InputError, Manifest, load

GOLDEN = Path(__file__).parents[2] / "golden"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(params=["pictures", "raw"])
def old(request, tmp_path):
    folder = Path(shutil.copytree(GOLDEN / "schema-1" / request.param, tmp_path / request.param))
    for artifact in json.loads((folder / "manifest.json").read_text())["artifacts"]:
        shutil.copy(GOLDEN / artifact["file"], folder)
    return folder


@pytest.mark.parametrize("old", ["pictures"], indirect=True)
def test_pictures(old, digits, tmp_path):
    manifest = Manifest.read(old)
    assert manifest.task.kind == "multiclass"
    assert manifest.contract.picture.fit == "mnist"
    assert manifest.unknown_threshold == 0.5
    with load(old) as model:
        found = model.predict(digits[0][:200], unknown=True)
    assert np.mean(found.indices == digits[1][:200]) > 0.7
    Image.fromarray(digits[0][0]).save(tmp_path / "digit.png")
    assert f"  {digits[1][0]}  0." in run("predict", old, tmp_path / "digit.png").stdout
    done = run("selftest", old)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("old", ["raw"], indirect=True)
def test_raw(old):
    manifest = Manifest.read(old)
    assert manifest.task.kind == "raw"
    with load(old, variant="inputs") as model:
        inputs = {"left": np.ones((3, 4), np.float32), "right": np.zeros((3, 3), np.float32)}
        found = model.predict(inputs)
        assert {name: values.shape for name, values in found.outputs.items()} == {"sum": (3, 2), "gate": (3, 1)}
        np.testing.assert_array_equal(found.outputs["sum"], model.run(inputs)["sum"])


def test_it_is_written_again_as_todays(old):
    manifest = Manifest.read(old)
    assert json.loads(manifest.to_json())["schema"] == 2
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize("old", ["pictures"], indirect=True)
def test_a_damaged_one_is_one_line(old):
    data = json.loads((old / "manifest.json").read_text())
    for change in ({"output": "words"}, {"labels": 3}, {"preprocessing": {"height": 0, "width": 1}}):
        (old / "manifest.json").write_text(json.dumps(data | change))
        with pytest.raises(InputError) as caught:
            load(old)
        assert "\n" not in str(caught.value)
