"""Examples in a file answer as the array does that they were made from."""

import multiprocessing
import threading

import numpy as np
import pytest

from edgepress.data.gathered import store_rows
from edgepress.data.rows import (
    Mapped,
    StoredRows,
    batch_of,
    in_pieces,
    joined,
    open_npy,
    save_npy,
    save_npz,
    select,
)


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(0, 255, (100, 4, 3), dtype=np.uint8)


@pytest.fixture
def rows(array):
    return store_rows(np.array_split(array, 7), (4, 3), np.uint8)


INDICES = [0, -1, np.int64(7), slice(None), slice(3, 50, 7), slice(60, 20, -3), [5, 5, 4, 99], np.arange(100) % 3 == 0]


@pytest.mark.parametrize("index", [*INDICES, (slice(2, 9), 1), (slice(None), ..., 0)], ids=str)
def test_indexed_as_an_array_is(rows, array, index):
    np.testing.assert_array_equal(rows[index], array[index])
    assert rows.shape == array.shape
    assert rows.nbytes == array.nbytes


@pytest.mark.parametrize("index", INDICES[3:], ids=str)
def test_selected_rows_are_rows_until_they_are_read(rows, array, index):
    chosen = select(rows, index)
    assert not isinstance(chosen, np.ndarray)
    np.testing.assert_array_equal(np.asarray(chosen), array[index])
    np.testing.assert_array_equal(select(chosen, [1, 0])[:], array[index][[1, 0]])


def test_drawn_parts_become_the_whole_again(rows, array):
    order = np.random.default_rng(1).permutation(100)
    places = [np.sort(order[:20]), np.sort(order[20:])]
    assert joined([select(rows, each) for each in places], places) is rows
    parts = [array[each] for each in places]
    np.testing.assert_array_equal(joined(parts, places), array)
    mixed = joined([select(rows, places[0]), parts[1]], places)
    np.testing.assert_array_equal(mixed[30:60], array[30:60])


def test_made_when_asked_for(rows, array):
    asked = []

    def halved(values):
        asked.append(len(values))
        return values / 2

    mapped = Mapped(rows, halved, (12,), np.float32)
    np.testing.assert_array_equal(mapped[10:12], (array[10:12] / 2).reshape(2, 12).astype(np.float32))
    assert asked == [2]


def test_saved_in_pieces_it_is_what_numpy_saves(rows, array, tmp_path):
    save_npy(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "array.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), array)
    assert [len(piece) for piece in in_pieces(rows, 40)] == [40, 40, 20]


def _total(rows, pipe):
    pipe.send(int(rows[3:5].sum()))


def test_another_process_reads_the_same_file(rows, array):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_total, args=(rows, theirs))
    child.start()
    assert ours.recv() == int(array[3:5].sum())
    child.join()
    ours.close()
    theirs.close()


def test_threads_read_at_once(rows, array):
    wrong = []

    def read(seed):
        order = np.random.default_rng(seed).permutation(100)
        if not np.array_equal(rows[order], array[order]):
            wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_file_that_was_cut_off_is_told(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with open(tmp_path / "a.npy", "r+b") as file:
        rows = StoredRows(file, array.shape, np.uint8, 128)
        file.truncate(600)
        with pytest.raises(ValueError, match="shorter while it was read"):
            rows[:]


def test_what_was_saved_is_read_where_it_lies(rows, array, tmp_path):
    save_npy(tmp_path / "a.npy", rows)
    opened = open_npy(tmp_path / "a.npy")
    assert isinstance(opened, StoredRows)
    assert opened.dtype == array.dtype
    np.testing.assert_array_equal(opened[7:90:3], array[7:90:3])


def test_an_archive_saved_in_pieces_is_what_numpy_reads(rows, array, tmp_path):
    save_npz(tmp_path / "a.npz", {"file": rows, "a/b": array.astype(np.float32)})
    with np.load(tmp_path / "a.npz") as archive:
        assert archive.files == ["file", "a/b"]
        np.testing.assert_array_equal(archive["file"], array)
        np.testing.assert_array_equal(archive["a/b"], array.astype(np.float32))


def test_few_large_examples_go_into_a_model_at_a_time():
    assert batch_of(28 * 28, 256) == 256
    assert batch_of(224 * 224 * 3, 256) == 53
    assert batch_of(10**9, 256) == 1
