"""`.ort`: ONNX Runtime Mobile's format, with the list of operators that a reduced build must keep.

ONNX Runtime's own converter does it, in a process of its own: it is a command-line tool.
"""

import shutil
import tempfile
from pathlib import Path

from edgepress.base.child import run_module

from ..errors import ConversionError

__all__ = ["write_ort"]

_SECONDS = 600.0


def write_ort(artifact: Path) -> tuple[Path, Path]:
    """Write `<artifact>.ort` and `<artifact>.required_operators.config` beside an `.onnx` file.

    Args:
        artifact: The ONNX file. The `.ort` keeps its names, types and answers.

    Returns:
        The two files.

    Raises:
        ConversionError: The converter refuses.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(artifact, folder / artifact.name)
        tool = "onnxruntime.tools.convert_onnx_models_to_ort"
        # Fixed optimizations leave nothing to the machine at hand: the file is for another one.
        done = run_module(tool, str(folder), "--optimization_style", "Fixed", seconds=_SECONDS)
        made = folder / f"{artifact.stem}.ort"
        config = next(iter(folder.glob("*required_operators.config")), None)
        if not done.ok or not made.is_file() or config is None:
            raise ConversionError(f".ort conversion of {artifact.name}: {done.reason}")
        targets = artifact.with_suffix(".ort"), artifact.with_name(f"{artifact.stem}.required_operators.config")
        for source, target in zip((made, config), targets, strict=True):
            shutil.move(source, target)
    # The tool's first lines name its temporary folder.
    operators = [line for line in targets[1].read_text().splitlines() if not line.startswith("#")]
    targets[1].write_text("\n".join(operators) + "\n")
    return targets
