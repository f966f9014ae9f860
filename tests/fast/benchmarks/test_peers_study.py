"""The study of peers: what its sentences say of a table, and how lines and messages are read."""

import shutil
import zipfile
from pathlib import Path

import pytest

from edgepress.benchmarks.studies.peers.cells import Cell, _error, short
from edgepress.benchmarks.studies.peers.judge import Judged, Judgement, _described
from edgepress.benchmarks.studies.peers.recipes import PEERS, count_lines
from edgepress.benchmarks.studies.peers.table import front, page, sentences, summary


def judged(value, size, microseconds=10.0, interval=(-0.5, 0.5), described=0):
    return Judged(value, 100 * (value - 0.9), interval, size, microseconds, "litert", described)


def judgement(files, busy="", refused=None):
    return Judgement("accuracy", "higher", "points", 0.9, 200, "a processor", busy, files, refused or {})


FILES = {
    "tensorflow-int8": judged(0.90, 1000, 8.0),
    "litert-static": judged(0.92, 2000),
    "edgepress-tflite": judged(0.90, 1200, 10.0),
}


@pytest.mark.parametrize(
    ("sizes", "better", "best"),
    [
        ([(0.9, 10), (0.8, 20)], "higher", ["0"]),
        ([(0.9, 10), (0.8, 20)], "lower", ["0", "1"]),
        ([(0.9, 10), (0.8, 5)], "higher", ["0", "1"]),
        ([(0.9, 10), (0.9, 10)], "higher", ["0", "1"]),
        ([(0.9, 10), (0.9, 9)], "higher", ["1"]),
    ],
)
def test_the_front_of_quality_and_bytes(sizes, better, best):
    files = {str(i): judged(value, size) for i, (value, size) in enumerate(sizes)}
    assert front(files, better) == best


def test_a_better_peer_is_named_with_what_it_is_better_by():
    told = "\n".join(sentences(judgement(FILES)))
    assert "nothing here beats TensorFlow's converter, int8; and litert-quantizer, static int8." in told
    beaten = (
        "Better than edgepress export, TFLite int8: TensorFlow's converter, int8, the same accuracy, with 200 bytes"
    )
    assert beaten in told
    assert "int8 is the quickest; edgepress export, TFLite int8 takes 1.25 times as long" in told


def test_where_nothing_is_better_nothing_is_said_to_be():
    told = "\n".join(sentences(judgement({**FILES, "edgepress-tflite": judged(0.93, 900, 7.0)})))
    assert "Better than" not in told
    assert "edgepress export, TFLite int8 is the quickest" in told


def test_what_our_files_say_of_themselves_is_told(tmp_path):
    told = sentences(judgement({**FILES, "edgepress-tflite": judged(0.9, 1200, described=300)}))
    assert "Of edgepress export, TFLite int8's 1,200 bytes, 300 say how it is fed and what its answers mean." in told
    assert not any(" say how " in sentence for sentence in sentences(judgement(FILES)))
    golden = Path(__file__).parents[2] / "golden"
    assert [_described(golden / f"digits-int8.{suffix}") for suffix in ("tflite", "onnx")] == [0, 0]
    labelled = Path(shutil.copy(golden / "digits-int8.tflite", tmp_path))
    with zipfile.ZipFile(labelled, "a") as archive:
        archive.writestr("labels.txt", "zero\none\n")
    assert _described(labelled) == labelled.stat().st_size - (golden / labelled.name).stat().st_size > 100


def test_a_busy_machine_ranks_no_latencies():
    found = judgement(FILES, busy="other programs kept 1.0 of 2 cores busy")
    told = sentences(found)
    assert told[-1] == "Latencies are not comparable: other programs kept 1.0 of 2 cores busy."
    assert not any("quickest" in sentence for sentence in told)
    cells = {peer: Cell("file", "0", 1.0, 4, "") for peer in FILES}
    assert sum("not comparable" in line for line in page("a model", cells, found) if line.startswith("|")) == 3


def test_a_failure_and_a_silent_loss_are_told():
    files = {"tensorflow-int8": judged(0.1, 1000, interval=(-90.0, -70.0))}
    cells = {
        "tensorflow-int8": Cell("file", "0", 1.0, 4, ""),
        "keras-onnx": Cell(None, None, 2.0, 5, "ValueError: no"),
        "litert-static": Cell("file", "1", 2.0, 5, ""),
    }
    lines = list(page("a model", cells, judgement(files, refused={"litert-static": "unsafe"})))
    assert any("nothing, and it is worse than float" in line for line in lines)
    assert any("no file" in line and "ValueError: no" in line for line in lines)
    assert any("not judged" in line and "unsafe" in line for line in lines)
    assert "- edgepress has no file here." in lines


def test_lines_are_counted_without_docstring_comments_and_empty_ones():
    def recipe(given, out):
        """Two lines of
        docstring."""
        import math

        # A comment.
        out.write_text(str(math.pi))

    assert count_lines(recipe) == 2
    assert all(1 < count_lines(peer.recipe) < 30 for peer in PEERS.values())


def test_what_a_peer_said_is_its_error_without_the_places_of_its_notation():
    traceback = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: loc(a(b)c): not int8\nmore\n'
    assert _error(f"noise\n{traceback}") == "ValueError: loc(a(b)c): not int8"
    assert _error("noise\n") == ""
    assert short(_error(traceback)) == "ValueError: : not int8"
    assert len(short("x" * 999)) == 200


def test_the_summary_sets_our_files_beside_the_smallest_of_a_peer():
    (line,) = [row for row in summary({"a model": judgement(FILES)}) if row.startswith("| a model")]
    smallest = min((peer for peer in FILES if not PEERS[peer].ours), key=lambda peer: FILES[peer].bytes)
    assert f"{PEERS[smallest].title}: " in line
    assert f"{FILES[smallest].bytes:,} bytes" in line
    for peer, row in PEERS.items():
        if row.ours:
            assert (f"{FILES[peer].bytes:,} bytes" if peer in FILES else "no file") in line
    (busy,) = [row for row in summary({"a model": judgement(FILES, "at work")}) if row.startswith("| a model")]
    assert " us" not in busy
