"""What a model weighs: the file, its download, and the runtime that it needs."""

import gzip
import importlib.util
import lzma
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from ..values import Sizes

__all__ = ["file_sizes", "runtime_size"]


def file_sizes(path: Path) -> Sizes:
    """Bytes of a file, or of all in a folder, as it is and as a download: gzip -9, xz -9, zstd -19 where installed."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    content = b"".join(each.read_bytes() for each in files)
    zstd = None
    if importlib.util.find_spec("zstandard") is not None:
        import zstandard

        zstd = len(zstandard.ZstdCompressor(level=19).compress(content))
    return Sizes(
        bytes=len(content),
        gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
        xz_bytes=len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)),
        zstd_bytes=zstd,
    )


def runtime_size(package: str) -> dict[str, int] | None:
    """Installed bytes of a distribution and of everything that it requires here, by name; None where it is absent."""
    sizes: dict[str, int] = {}
    waiting = [package]
    while waiting:
        name = _normalize(waiting.pop())
        if name in sizes:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            # A requirement for another system or Python is not installed and weighs nothing.
            continue
        sizes[name] = _installed_bytes(found)
        waiting += [
            match.group()
            for line in found.requires or ()
            if "extra ==" not in line and (match := re.match(r"[A-Za-z0-9._-]+", line))
        ]
    return dict(sorted(sizes.items())) or None


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed_bytes(found: Distribution) -> int:
    total = 0
    for file in found.files or ():
        path = Path(str(found.locate_file(file)))
        if path.suffix != ".pyc" and path.is_file():
            total += path.stat().st_size
    return total
