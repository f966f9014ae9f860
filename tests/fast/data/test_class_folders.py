"""Class folders as people have them, of pictures."""

import logging
import zipfile

import numpy as np
import pytest
from PIL import Image

from edgepress.data import load_dataset, with_normal
from edgepress.data.readers import class_pictures, files
from edgepress.data.rows import Rows
from edgepress.runtime import InputError


def picture(width=12, height=10, mode="RGB", seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels).convert(mode)


def put(root, name, count=10, *, size=lambda i: (12, 10), suffix="png", mode="RGB", part=""):
    folder = root / part / name
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        picture(*size(i), mode, seed=i).save(folder / f"{name[:3]} {i}.{suffix}")
    return folder


def several(i):
    return 12 + 7 * (i % 3), 10 + 5 * (i % 2)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "pets"
    put(folder, "cat")
    put(folder, "dog")
    return folder


def test_every_fifth_file_is_a_test(root):
    data = load_dataset(root)
    assert (data.name, data.labels) == ("pets", ("cat", "dog"))
    assert data.x_train.shape == (16, 10, 12, 3)
    assert data.x_test.shape == (4, 10, 12, 3)
    assert data.y_test.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(data.x_test[0], np.asarray(picture()))


@pytest.mark.parametrize("shape", [None, (8, 9), (8, 9, 1)])
def test_many_pictures_stay_in_a_file(root, monkeypatch, shape):
    monkeypatch.setattr(class_pictures, "MANY_BYTES", 1_000)
    monkeypatch.setattr(files, "PIECE_BYTES", 1_500)
    found, wanted = (load_dataset(root, input_shape=shape, in_pieces=way) for way in (True, False))
    assert isinstance(found.x_train, Rows)
    assert isinstance(wanted.x_train, np.ndarray)
    for part in ("train", "test"):
        np.testing.assert_array_equal(np.asarray(found.parts[part].x), wanted.parts[part].x)
    assert (found.sha256, found.inputs) == (wanted.sha256, wanted.inputs)
    (root / "cat/cat 3.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"cat 3\.png"):
        load_dataset(root, input_shape=shape, in_pieces=True)


def test_one_size_is_kept_and_several_need_one(root):
    assert load_dataset(root).picture.resampling == "area"
    put(root, "eel", size=several)
    with pytest.raises(InputError, match=r"6 sizes .* --input-shape 96x96"):
        load_dataset(root)
    data = load_dataset(root, input_shape=(8, 9))
    assert (data.picture.shape, data.picture.resampling) == ((8, 9, 3), "bilinear")
    assert load_dataset(root, input_shape=(8, 9, 1)).x_train.shape[1:] == (8, 9)
    with pytest.raises(InputError, match="--input-shape 8x9x4"):
        load_dataset(root, input_shape=(8, 9, 4))


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "jfif", "JPG", "bmp", "gif", "webp", "tif", "tiff", "ppm"])
def test_types(tmp_path, suffix):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(2):
            kind = {"jfif": "JPEG", "JPG": "JPEG", "jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
            picture().save(tmp_path / name / f"{i}.{suffix}", kind)
    data = load_dataset(tmp_path)
    assert data.x_train.shape == (2, 10, 12, 3)


@pytest.mark.parametrize(
    ("mode", "shape"), [("L", (10, 12)), ("RGB", (10, 12, 3)), ("CMYK", (10, 12, 3)), ("1", (10, 12))]
)
def test_modes(tmp_path, mode, shape):
    for name in "ab":
        put(tmp_path, name, 2, mode=mode, suffix="tif")
    assert load_dataset(tmp_path).x_train.shape[1:] == shape


def test_sixteen_bits_a_pixel(tmp_path):
    levels = np.arange(120, dtype=np.uint16).reshape(10, 12) * 500
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.fromarray(levels).save(tmp_path / name / f"{i}.png")
    np.testing.assert_array_equal(load_dataset(tmp_path).x_train[0], levels // 257)


def test_grey_beside_colour_becomes_colour(root):
    put(root, "eel", mode="L")
    data = load_dataset(root)
    assert data.x_train.shape[1:] == (10, 12, 3)
    grey = data.x_train[data.y_train == 2][0]
    assert (grey == grey[..., :1]).all()


def test_orientation_is_ignored_as_keras_ignores_it(root, caplog):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(root / "cat" / "cat 0.png", exif=exif)
    assert load_dataset(root).x_test.shape[1:] == (10, 12, 3)
    assert "1 of 20 pictures are turned by EXIF alone" in caplog.text


def test_hidden_things_are_none(root):
    put(root, ".hidden")
    put(root, "__MACOSX")
    put(root, ".ipynb_checkpoints")
    (root / "cat" / "._cat 0.png").write_bytes(b"a resource fork")
    (root / ".DS_Store").write_bytes(b"x")
    (root / "cat" / "notes.txt").write_text("no picture")
    assert load_dataset(root).labels == ("cat", "dog")
    assert len(load_dataset(root).x_train) == 16


def test_what_is_left_out_is_said(root, caplog):
    (root / "cat" / "phone.heic").write_bytes(b"x")
    (root / "cat" / "notes").write_text("no picture")
    assert len(load_dataset(root).x_train) == 16
    assert "files that are no pictures by their name are left out (1 of none, 1 of .heic)" in caplog.text


@pytest.mark.parametrize(
    ("train", "test"), [("training_set", "test_set"), ("TrainSet", "TestSet"), ("train data", "dev")]
)
def test_what_people_call_parts(tmp_path, train, test):
    for part in (train, test):
        put(tmp_path, "cat", part=part)
        put(tmp_path, "dog", part=part)
    data = load_dataset(tmp_path)
    assert (data.labels, len(data.train), len(data.test)) == (("cat", "dog"), 20, 20)


def test_classes_that_look_like_parts_are_pointed_out(tmp_path, caplog):
    for part in ("mine", "hers"):
        put(tmp_path, "cat", part=part)
        put(tmp_path, "dog", part=part)
    assert load_dataset(tmp_path).labels == ("hers", "mine")
    assert "the classes are hers, mine, and each holds the folders cat, dog" in caplog.text


def test_links_that_lead_in_circles(root):
    (root / "cat" / "again").symlink_to(root)
    assert len(load_dataset(root).train) == 16


def test_a_file_is_what_its_content_says(root):
    picture().save(root / "dog" / "webp.jpg", "WEBP")
    data = load_dataset(root)
    assert len(data.x_train) + len(data.x_test) == 21


@pytest.mark.parametrize("name", ["\u00c4pfel \u2013 gr\u00fcn", "\u732b", "dog & cat"])
def test_names_of_any_kind(root, name):
    put(root, name)
    assert name in load_dataset(root).labels


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8\xff\xe0 not a jpeg", r"broken\.jpg (cannot be read|is no)"),
        (b"", r"broken\.jpg is empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", r"broken\.jpg is no"),
    ],
)
def test_broken_files_are_named_and_counted(root, content, message):
    (root / "cat" / "broken.jpg").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_dataset(root)
    (root / "dog" / "too.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"and 1 more of 22 files$") as refused:
        load_dataset(root)
    assert "\n" not in str(refused.value)


def test_a_cut_picture(root):
    cut = root / "cat" / "cat 1.png"
    cut.write_bytes(cut.read_bytes()[:100])
    with pytest.raises(InputError, match=r"cat 1\.png cannot be read"):
        load_dataset(root)


@pytest.mark.filterwarnings("error")
def test_a_hundred_megapixels_are_refused(root):
    Image.new("1", (10_000, 10_000)).save(root / "cat" / "huge.png")
    with pytest.raises(InputError, match=r"huge\.png is 10000 x 10000 pixels: 50,000,000 in all"):
        load_dataset(root, input_shape=(8, 8))


def test_a_photograph_of_twelve_megapixels_is_fine(root):
    Image.new("RGB", (4000, 3000), (9, 8, 7)).save(root / "cat" / "cat 1.png")
    data = load_dataset(root, input_shape=(8, 8))
    assert [9, 8, 7] in data.x_train[:, 4, 4].tolist()


def test_too_many_for_the_memory(root, monkeypatch):
    monkeypatch.setattr("edgepress.data.readers.class_pictures._MAX_BYTES", 1000)
    with pytest.raises(InputError, match="smaller --input-shape"):
        load_dataset(root)


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "Test"), ("training", "testing"), ("TRAIN", "Testing")])
def test_parts_by_name(tmp_path, names):
    for part in names:
        put(tmp_path, "a", 3, part=part)
        put(tmp_path, "b", 3, part=part)
    put(tmp_path, "c", 3, part=names[0])
    data = load_dataset(tmp_path)
    assert (len(data.train), len(data.test), data.labels) == (9, 6, ("a", "b", "c"))


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Validation"])
def test_validation_is_held_back_or_the_test(tmp_path, validation, caplog):
    for part in ("train", validation):
        put(tmp_path, "a", 6, part=part)
        put(tmp_path, "b", 4, part=part)
    with caplog.at_level(logging.INFO, "edgepress"):
        data = load_dataset(tmp_path)
    assert {part: len(held) for part, held in data.parts.items()} == {"train": 10, "test": 10}
    assert "its validation part is the test set" in caplog.text
    put(tmp_path, "a", 1, part="test")
    data = load_dataset(tmp_path)
    assert {part: len(held) for part, held in data.parts.items()} == {"train": 10, "validation": 10, "test": 1}


def test_folders_beside_the_parts_are_said_to_be_left_out(tmp_path, caplog):
    for part in ("train", "test"):
        put(tmp_path, "a", 2, part=part)
        put(tmp_path, "b", 2, part=part)
    put(tmp_path, "unlabelled", 2)
    assert load_dataset(tmp_path).labels == ("a", "b")
    assert "unlabelled beside the parts" in caplog.text


def test_a_class_may_be_called_train(tmp_path):
    put(tmp_path, "train", 3)
    put(tmp_path, "bus", 3)
    assert load_dataset(tmp_path).labels == ("bus", "train")


def test_the_one_picture_of_a_class_is_for_training(root):
    put(root, "eel", 1)
    data = load_dataset(root)
    assert (data.y_train == 2).sum() == 1


def refuse(root, message):
    with pytest.raises(InputError, match=message) as refused:
        load_dataset(root)
    assert "\n" not in str(refused.value)


def test_a_class_without_training_pictures(root, tmp_path):
    (root / "eel").mkdir()
    refuse(root, "no pictures of class 'eel'")
    put(tmp_path, "a", part="x/train")
    put(tmp_path, "b", part="x/train")
    put(tmp_path, "c", part="x/test")
    refuse(tmp_path / "x", "no pictures of class 'c' to train on")


def test_anomalies_need_no_training_pictures(tmp_path):
    put(tmp_path, "good", 5, part="train")
    put(tmp_path, "good", 2, part="test")
    put(tmp_path, "broken", 3, part="test")
    refuse(tmp_path, "no pictures of class 'broken'")
    data = load_dataset(tmp_path, task="anomaly")
    assert (data.labels, data.y_train.tolist()) == (("broken", "good"), [1] * 5)
    judged = with_normal(data, None)
    assert (judged.y_train.tolist(), judged.y_test.tolist()) == ([0] * 5, [1, 1, 1, 0, 0])


def test_what_else_is_refused(tmp_path):
    (tmp_path / "none").mkdir()
    refuse(tmp_path / "none", "no files in its folders")
    put(tmp_path / "one", "a")
    refuse(tmp_path / "one", "at least two classes")
    put(tmp_path / "two", "a", part="Train")
    put(tmp_path / "two", "a", part="training")
    refuse(tmp_path / "two", "one train part")
    put(tmp_path / "three", "a", part="test")
    refuse(tmp_path / "three", "none to train on")
    put(tmp_path / "four", "a")
    put(tmp_path / "four", "b")
    (tmp_path / "four/a/x.wav").write_bytes(b"RIFF")
    refuse(tmp_path / "four", "pictures and recordings")
    put(tmp_path / "five", "a", 1)
    put(tmp_path / "five", "b", 1)
    refuse(tmp_path / "five", "at least 2 are needed")


def test_an_archive_of_class_folders_is_read_in_place(root, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in root.rglob("*.png"):
            archive.write(file, f"pets-1.0/{file.relative_to(root)}")
        archive.writestr("__MACOSX/pets-1.0/cat/._cat 0.png", b"x")
    data = load_dataset(tmp_path / "a.zip")
    np.testing.assert_array_equal(data.x_train, load_dataset(root).x_train)
    assert (data.name, sorted(path.name for path in tmp_path.iterdir())) == ("a", ["a.zip", "pets"])
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-99])
    refuse(tmp_path / "a.zip", "not a whole .zip")


def test_an_archive_that_unpacks_to_gigabytes(root, tmp_path, monkeypatch):
    monkeypatch.setattr("edgepress.data.readers.files.MAX_FILE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(2000))
    refuse(tmp_path / "a.zip", "unpacks to 2,000 bytes")


def test_one_folder_of_normal_examples(tmp_path):
    put(tmp_path, "good")
    with pytest.raises(InputError, match="or one of normal examples and --task anomaly"):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, task="anomaly")
    assert (data.targets.kind, len(data.train), len(data.test)) == ("nothing", 8, 2)
