"""The notebook runs from top to bottom, and tells the truth."""

import json
import os
import subprocess
import sys


def test_every_cell_of_the_notebook_runs(pytestconfig, tmp_path, offline_env):
    notebook = json.loads((pytestconfig.rootpath / "docs/story.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    # In one namespace, as a notebook's kernel does.
    script = tmp_path / "story.py"
    checks = "assert accuracy > 0.9\nassert len(report.rows) == 7, report.rows\n"
    script.write_text("\n\n".join([*cells, checks]))
    environment = offline_env | {"TMPDIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, cwd=os.sep)
    assert done.returncode == 0, done.stderr
    assert "109386" in done.stdout


def test_the_notebook_is_committed_without_outputs(pytestconfig):
    notebook = json.loads((pytestconfig.rootpath / "docs/story.ipynb").read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")
