"""Versions that stand in several places agree: what pyproject.toml asks for rules."""

import tomllib
from pathlib import Path

import pytest
from emulation import WHEELS

from edgepress.benchmarks.studies.installed_size import _requirements

packaging = pytest.importorskip("packaging.requirements", reason="needs the toolkit extra")

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def ranges():
    """Every requirement of the project, by the package's name."""
    extras = PROJECT["optional-dependencies"]
    found = {}
    for line in (
        *PROJECT["dependencies"],
        *(line for name, lines in extras.items() if name != "dev" for line in lines),
    ):
        requirement = packaging.Requirement(line)
        found.setdefault(requirement.name, []).append(requirement)
    return found


@pytest.mark.parametrize(("arch", "purpose"), WHEELS)
def test_emulated_systems_have_the_versions_that_the_extras_ask_for(arch, purpose):
    asked = ranges()
    for wheel in WHEELS[arch, purpose]:
        name, version = wheel.split("==")
        # numpy<2 is tflite-runtime's alone.
        for requirement in asked.get(name, []):
            if name != "numpy":
                assert requirement.specifier.contains(version), f"{wheel} is not {requirement}"


@pytest.mark.parametrize(
    ("extra", "package"),
    [
        ("tflite-runtime", "tflite-runtime"),
        ("litert", "ai-edge-litert"),
        ("onnx", "onnxruntime"),
        ("openvino", "openvino"),
    ],
)
def test_a_measured_install_is_the_base_and_the_extra(extra, package):
    base = {line.split(">")[0] for line in _requirements(None)}
    names = {packaging.Requirement(line).name for line in _requirements(extra)}
    assert base == {"numpy", "click", "flatbuffers", "tflite"}
    assert names == base | {package}


def test_every_python_that_is_named_is_in_the_classifiers():
    named = {line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"]}
    setup = (Path(__file__).parents[2] / "scripts/setup").read_text()
    assert named == {"3.11", "3.12", "3.13"}
    assert f'"{" ".join(sorted(named))}"' in setup
