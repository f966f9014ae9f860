"""The snippets of the documentation, run or compiled where a tool is here. Python's is run in tests/e2e."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgepress.export.micro import write_c_header
from edgepress.runtime import load

ROOT = Path(__file__).parents[3]
SNIPPETS, GOLDEN = ROOT / "docs/snippets", ROOT / "tests/golden"
MAIN = """
#include <cstdint>
int Predict(const int8_t* pixels);
int main() {
  int8_t pixels[784] = {-128, 5, -3, 7, 100, 0, 0, -9, 99, 1};
  return Predict(pixels);
}
"""


@pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler is installed")
def test_cpp_compiles_with_the_header_that_export_writes(tmp_path):
    """Against declarations of TensorFlow Lite Micro's interface: no package ships its headers."""
    pytest.importorskip("tflite_micro")
    path = tmp_path / "pressed-int8.tflite"
    shutil.copy(GOLDEN / "digits-int8.tflite", path)
    with load(path, backend="numpy") as model:
        spec = model.artifact.inputs[0]
        inputs = np.zeros((2, *spec.shape[1:]), np.int8)
        write_c_header(path, inputs, model.run(inputs))
    (tmp_path / "main.cc").write_text(MAIN)
    sources = [SNIPPETS / "predict.cc", tmp_path / "main.cc"]
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}", f"-I{Path(__file__).parent / 'micro_stub'}"]
    subprocess.run(["c++", *flags, *sources, "-o", tmp_path / "predict"], check=True)
    assert subprocess.run([tmp_path / "predict"], check=False).returncode == 4


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_javascript_parses():
    """The browser's tests run models in onnxruntime-web; its build for Node comes with npm install only."""
    subprocess.run(["node", "--check", SNIPPETS / "predict.mjs"], check=True)


@pytest.mark.parametrize(("file", "language"), [("Predict.swift", "swift"), ("Predict.kt", "kotlin")])
def test_mobile_snippets_parse(file, language):
    """Their compilers and the libraries that they link come from Apple's and Google's stores."""
    parsing = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip(f"tree_sitter_{language}")
    parser = parsing.Parser(parsing.Language(grammar.language()))
    content = (SNIPPETS / file).read_bytes()
    assert not parser.parse(content).root_node.has_error
    # The grammar takes not just anything.
    assert parser.parse(content.replace(b"}", b"", 1)).root_node.has_error
