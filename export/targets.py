"""Where an artifact will run, instead of flags: which files load there, and which runtime must load them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgepress.runtime import InputError

from .inspect.oldest_runtime import UNKNOWN
from .variants import Variant

__all__ = ["TARGETS", "RuntimeFloor", "Target", "find_target"]


@dataclass(frozen=True)
class Target:
    """A kind of machine."""

    name: str
    variants: tuple[str, ...]
    """What is worth having there, the usual choice first."""
    also: tuple[str, ...] = ()
    """Companion files, as in `companions.ALSO`."""
    runtime: str | None = None
    """The oldest runtime that is found there, where an old one is."""
    with_page: bool = False
    """Whether the bundle gets the drawing page, for any static host."""


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        # 64-bit: LiteRT and onnxruntime install on Raspberry Pi OS trixie (Python 3.13) and bookworm (3.11), where
        # tflite-runtime does too. All three load these.
        Target("raspberry-pi", ("tflite:int8", "tflite:dynamic-int8", "tflite:float32", "onnx:int8", "onnx:float32")),
        # 32-bit: the last wheels are tflite-runtime 2.14's, up to bookworm.
        Target("raspberry-pi-32", ("tflite:int8", "tflite:dynamic-int8", "tflite:float32"), runtime="tflite-2.14"),
        # Apps that carry a runtime of their own often stay on 2.14. float16 is for GPUs.
        Target("android", ("tflite:int8", "tflite:float16", "tflite:float32"), runtime="tflite-2.14"),
        Target("ios", ("tflite:int8", "tflite:float16", "tflite:float32"), runtime="tflite-2.14"),
        # onnxruntime-web computes QDQ in WebAssembly bit for bit as it does natively.
        Target("browser", ("onnx:int8", "onnx:float32"), with_page=True),
        # TensorFlow Lite Micro: integers from end to end.
        Target("microcontroller", ("tflite:int8",), also=("c-header",)),
    )
}
_FORMATS = {"tflite": ("tflite", "tensorflow-lite"), "onnxruntime": ("onnx", "onnxruntime")}


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        InputError: There is none.
    """
    if name not in TARGETS:
        raise InputError(f"target {name!r}: allowed are {', '.join(TARGETS)}")
    return TARGETS[name]


@dataclass(frozen=True)
class RuntimeFloor:
    """The oldest runtime that every file must load in."""

    name: str
    release: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> "RuntimeFloor":
        """From `tflite-2.14` or `onnxruntime-1.17`.

        Raises:
            InputError: Another form.
        """
        match = re.fullmatch(rf"({'|'.join(_FORMATS)})-(\d+)\.(\d+)", text)
        if not match:
            raise InputError(
                f"runtime {text!r}: a name and a release are allowed, as in tflite-2.14 or onnxruntime-1.17"
            )
        return cls(match[1], (int(match[2]), int(match[3])))

    def reads(self, variant: Variant) -> bool:
        """Whether this runtime reads the variant's format at all."""
        return variant.format == _FORMATS[self.name][0]

    def objection(self, oldest_runtime: Mapping[str, str]) -> str | None:
        """Why a file does not load in it; None where it does."""
        asked = f"{self.name} {self.release[0]}.{self.release[1]} was asked for"
        needed = oldest_runtime.get(_FORMATS[self.name][1])
        if needed in (None, UNKNOWN):
            return f"which {self.name} it needs is unknown (newer operators than edgepress knows), and {asked}"
        assert needed is not None
        major, minor = needed.split(".")
        if (int(major), int(minor)) <= self.release:
            return None
        return f"needs {self.name} {needed}, and {asked}"
