"""Where a result cannot be written, nothing is done first."""

import pytest
from click.testing import CliRunner

from edgepress.cli import main


@pytest.mark.parametrize(
    "command",
    [
        ["benchmark", "no-bundle", "--out"],
        ["benchmark", "no-bundle", "--gate", "{gate}", "--junit"],
        ["compare", "no-report.json", "--out"],
        ["press", "--data", "no-data", "--out"],
        ["train", "--data", "no-data", "--out"],
        ["train", "--data", "no-data", "--tensorboard"],
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(command, tmp_path):
    for module in ("matplotlib", "jinja2"):
        pytest.importorskip(module, reason="needs the toolkit extra")
    (tmp_path / "file").write_text("")
    (tmp_path / "gate.toml").write_text("max_bytes = 1\n")
    command = [part.format(gate=tmp_path / "gate.toml") for part in command]
    done = CliRunner().invoke(main, [*command, str(tmp_path / "file" / "new.keras")])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "is a file, not a folder" in done.stderr


def test_too_few_examples_are_refused_before_anything_is_fitted(tmp_path):
    rows = "\n".join(f"{i},{'yes' if i % 2 else 'no'}" for i in range(12))
    (tmp_path / "few.csv").write_text(f"a,y\n{rows}\n")
    arguments = ["press", "--data", str(tmp_path / "few.csv"), "--label", "y", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert done.stderr == "edgepress: few has 10 training examples: at least 20 are needed to calibrate and to check\n"
    assert not (tmp_path / "run").exists()
