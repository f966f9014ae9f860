"""Bytes of files, of downloads, of installed packages."""

import gzip
import lzma

import numpy as np
import pytest

from edgepress.benchmarks.measure.sizes import file_sizes, runtime_size
from edgepress.benchmarks.report.png import encode_png


def test_downloads_unpack_to_the_file(tmp_path):
    content = b"weights" * 1000
    (tmp_path / "model").write_bytes(content)
    sizes = file_sizes(tmp_path / "model")
    assert sizes.bytes == len(content)
    assert sizes.gzip_bytes == len(gzip.compress(content, 9, mtime=0)) < 100
    assert sizes.xz_bytes == len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    assert file_sizes(tmp_path / "model") == sizes
    pytest.importorskip("zstandard", reason="comes with the toolkit extra")
    assert 0 < sizes.zstd_bytes < 100


def test_a_runtime_weighs_what_it_requires():
    sizes = runtime_size("ai-edge-litert")
    assert {"ai-edge-litert", "numpy", "flatbuffers"} <= set(sizes)
    assert sizes["ai-edge-litert"] > 1e6
    assert runtime_size("no-such-distribution-at-all") is None


@pytest.mark.parametrize("shape", [(28, 28), (200, 100), (28, 28, 3)])
def test_thumbnails_are_png(shape, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs the image extra")
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    (tmp_path / "x.png").write_bytes(encode_png(pixels))
    with image.open(tmp_path / "x.png") as opened:
        read = np.asarray(opened)
    step = -(-max(shape[:2]) // 64)
    assert np.array_equal(read, pixels[::step, ::step])
