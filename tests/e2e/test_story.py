"""The notebooks run from top to bottom, and tell the truth."""

import json
import os
import subprocess
import sys

import pytest

CHECKS = {
    "story": "assert accuracy > 0.9\nassert len(report.rows) == 7, report.rows\nassert config.widths == (128, 64)",
    "own-model": (
        "assert accuracy > 0.9\n"
        "assert pressed_accuracy > accuracy - 0.03, (accuracy, pressed_accuracy)\n"
        'assert contract.found["by"] == "model", contract.found\n'
        "assert result.run == run / 'press' and not result.exported.withheld, result.exported.withheld\n"
        'assert "<table>" in result._repr_html_() and "small-cnn: 1,000 test images of small digits" in str(result)\n'
        "names = [each.file for each in exported.manifest.artifacts]\n"
        'assert names == ["small-cnn-float32.tflite", "small-cnn-int8.tflite"]\n'
    ),
}


def notebook(config, name):
    return json.loads((config.rootpath / f"docs/{name}.ipynb").read_text())


@pytest.mark.parametrize("name", CHECKS)
def test_every_cell_of_a_notebook_runs(name, pytestconfig, tmp_path, offline_env):
    cells = notebook(pytestconfig, name)["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    # In one namespace, as a notebook's kernel does.
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join([*sources, CHECKS[name]]))
    environment = offline_env | {"TMPDIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, cwd=os.sep)
    assert done.returncode == 0, done.stderr
    assert name != "story" or "109386" in done.stdout


def test_every_notebook_is_checked(pytestconfig):
    assert {path.stem for path in (pytestconfig.rootpath / "docs").glob("*.ipynb")} == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_a_notebook_is_committed_without_outputs(name, pytestconfig):
    for cell in notebook(pytestconfig, name)["cells"]:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")
