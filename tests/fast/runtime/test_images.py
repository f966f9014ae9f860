"""Image files: formats, streams, limits."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from edgepress.runtime import InputError, load
from edgepress.runtime.preprocess.pictures import read_picture


def encoded(pixels, format="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


def test_paths_streams_and_bytes_are_one(bundle, digits, tmp_path):
    files = []
    for index, image in enumerate(digits[0][:20]):
        path = tmp_path / f"{index}.png"
        path.write_bytes(encoded(np.pad(255 - image, 11, constant_values=255)))
        files.append(path)
    with load(bundle) as model:
        expected = model.predict(digits[0][:20])
        by_path = model.predict_files(files)
        by_stream = model.predict_files(io.BytesIO(path.read_bytes()) for path in files)
        single = model.predict_files(str(files[3]))
        assert np.array_equal(model.predict_files(files[3].read_bytes()).probabilities, single.probabilities)
        assert len(model.predict_files([])) == 0
    assert np.array_equal(by_path.probabilities, expected.probabilities)
    assert np.array_equal(by_stream.probabilities, expected.probabilities)
    assert single.labels.tolist() == expected.labels[3:4].tolist()


def test_modes_come_out_as_8_bits():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(read_picture(encoded(grey)), grey)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    stream = io.BytesIO()
    deep.save(stream, "PNG")
    assert np.array_equal(read_picture(stream.getvalue()), grey)
    stream = io.BytesIO()
    Image.fromarray(grey > 99).save(stream, "PNG")
    assert np.array_equal(read_picture(stream.getvalue()), np.where(grey > 99, 255, 0))
    stream = io.BytesIO()
    Image.fromarray(grey).convert("P").save(stream, "PNG")
    assert np.array_equal(read_picture(stream.getvalue()), np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize("format", ["BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_other_formats_are_read_by_their_content(format):
    pixels = np.full((20, 30, 3), 200, np.uint8)
    made = read_picture(encoded(pixels, format))
    assert made.shape[:2] == (20, 30)
    assert np.abs(made[..., :3].astype(int) - 200).max() <= 2


def test_a_format_that_runs_programs_is_refused():
    with pytest.raises(InputError, match="is no PNG, JPEG"):
        read_picture(encoded(np.zeros((9, 9, 3), np.uint8), "EPS"))


def test_a_turned_photograph_is_turned_back():
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = read_picture(encoded(pixels, "JPEG", exif=exif))
    assert upright.shape == (60, 40, 3)
    assert upright[:, -5:].min() > 200


def bomb():
    """A PNG of 68 bytes that claims 30,000 x 30,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bomb(), "50,000,000"),
        (b"GIF89a\x01\x00\x01\x00", "PNG, JPEG"),
        (b"", "PNG, JPEG"),
        (encoded(np.zeros((99, 99), np.uint8))[:60], "PNG, JPEG"),
    ],
)
def test_bad_files_are_refused(content, says):
    with pytest.raises(InputError, match=says):
        read_picture(content)


def test_a_missing_file_is_named(bundle):
    with load(bundle) as model, pytest.raises(InputError, match=r"no\.png does not exist"):
        model.predict_files("no.png")


def test_a_huge_photograph_is_brought_down():
    assert max(read_picture(encoded(np.zeros((4500, 6000), np.uint8), "JPEG")).shape) <= 4000


def test_many_threads_open_pictures_and_leave_warnings_as_they_were():
    """Of 3,000 without a lock one raised Pillow's warning, and its being ignored stayed behind."""
    large, before = encoded(np.zeros((10_000, 10_000), bool), "PNG"), list(warnings.filters)

    def refused(number):
        with pytest.raises(InputError, match="10000 x 10000 pixels"):
            read_picture(large)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(refused, range(2_000)))
    assert warnings.filters == before
