"""One artifact for download: `<model>-<variant>.tflite.xz`, loaded straight by the runtime's base install.

XZ (LZMA2) with the settings that fit the file: how much the last byte (`lc`) and the position (`lp`, `pb`) say about
the next one differs between int8 matrices, packed 4-bit ones and floats, so each is tried.
"""

import lzma
from collections.abc import Iterator
from pathlib import Path

from edgepress.base.files import write_file

__all__ = ["pack", "write_packed"]

_LARGE = 4_000_000
"""Above this many bytes only the usual settings are tried: each trial takes seconds."""


def pack(content: bytes) -> bytes:
    """Compress as small as XZ gets; equal content is equal bytes."""
    return min((lzma.compress(content, check=lzma.CHECK_CRC32, filters=[f]) for f in _filters(content)), key=len)


def _filters(content: bytes) -> Iterator[dict[str, int]]:
    largest = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "nice_len": 273}
    largest["dict_size"] = max(4096, len(content))
    yield largest
    if len(content) > _LARGE:
        return
    for lc in range(5):
        for lp in range(5 - lc):
            for pb in range(3):
                yield largest | {"lc": lc, "lp": lp, "pb": pb}


def write_packed(artifact: Path) -> Path:
    """Write the packed file beside the artifact."""
    path = artifact.with_name(artifact.name + ".xz")
    write_file(path, pack(artifact.read_bytes()))
    return path
