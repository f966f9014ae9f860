"""The table of a model, and the sentences that are computed from it."""

from collections.abc import Iterator, Mapping

from edgepress.base.tables import markdown_table

from .cells import Cell, short
from .judge import Judged, Judgement
from .recipes import PEERS

__all__ = ["front", "page", "sentences", "summary"]

_HEAD = ("made by", "metric", "minus float [95 %]", "bytes", "us", "runtime", "s to make", "lines", "what it said")


def page(title: str, cells: Mapping[str, Cell], judgement: Judgement) -> Iterator[str]:
    """A model's part of the page, line by line."""
    float_value = f"{judgement.metric} {_value(judgement.float_value, judgement)}"
    yield f"### {title}"
    yield ""
    yield f"Float, in Keras: {float_value} on {judgement.examples:,} test examples. On {judgement.machine}, one thread."
    yield ""
    yield from markdown_table(
        _HEAD, [_line(peer, cell, judgement) for peer, cell in cells.items()], columns="lrrrrlrrl"
    )
    yield ""
    for sentence in sentences(judgement):
        yield f"- {sentence}"


def summary(judgements: Mapping[str, Judgement]) -> list[str]:
    """A line a model, by its title: the smallest file of a peer, and each of ours: minus float, bytes, microseconds."""
    ours = [peer for peer, row in PEERS.items() if row.ours]
    lines = []
    for title, judgement in judgements.items():
        files = judgement.files
        theirs = min((peer for peer in files if peer not in ours), key=lambda peer: files[peer].bytes, default=None)
        first = "" if theirs is None else f"{PEERS[theirs].title}: {_brief(theirs, judgement)}"
        lines.append([title, first, *(_brief(peer, judgement) for peer in ours)])
    head = ("model", "smallest file of a peer", *(PEERS[peer].title for peer in ours))
    return markdown_table(head, lines, columns="l")


def _brief(peer: str, judgement: Judgement) -> str:
    found = judgement.files.get(peer)
    if found is None:
        return "no file"
    lost = "" if found.difference is None else f"{found.difference:+.2f} {judgement.unit}, "
    time = "" if judgement.busy else f", {found.microseconds:.1f} us"
    return f"{lost}{found.bytes:,} bytes{time}"


def _line(peer: str, cell: Cell, judgement: Judgement) -> tuple[str, ...]:
    title = PEERS[peer].title
    made = (f"{cell.seconds:.1f}", str(cell.lines))
    if cell.file is None:
        return (title, "no file", "", "", "", "", *made, cell.said)
    if peer in judgement.refused:
        return (title, "not judged", "", "", "", "", *made, short(judgement.refused[peer]))
    found = judgement.files[peer]
    said = cell.said
    if _worse(found, judgement) and not said:
        said = "nothing, and it is worse than float"
    time = "not comparable" if judgement.busy else f"{found.microseconds:.1f}"
    return (
        title, _value(found.value, judgement), _difference(found, judgement), f"{found.bytes:,}", time, found.backend,
        *made, said,
    )  # fmt: skip


def _value(value: float, judgement: Judgement) -> str:
    return f"{100 * value:.2f} %" if judgement.unit == "points" else f"{value:.4g}"


def _difference(found: Judged, judgement: Judgement) -> str:
    if found.difference is None:
        return ""
    text = f"{found.difference:+.2f}"
    return text if found.interval is None else "{} [{:+.2f}, {:+.2f}]".format(text, *found.interval)


def _worse(found: Judged, judgement: Judgement) -> bool:
    """Whether the loss is more than chance."""
    if found.interval is None:
        return False
    low, high = found.interval
    return high < 0 if judgement.better == "higher" else low > 0


def front(files: Mapping[str, Judged], better: str) -> list[str]:
    """The files that no other one beats: as good in the metric and in bytes, and better in one of them."""
    sign = 1 if better == "higher" else -1

    def beaten(own: Judged) -> bool:
        return any(
            sign * other.value >= sign * own.value
            and other.bytes <= own.bytes
            and (other.value != own.value or other.bytes < own.bytes)
            for other in files.values()
        )

    return [peer for peer, own in files.items() if not beaten(own)]


def sentences(judgement: Judgement) -> list[str]:
    """What the table says of the peers and of edgepress."""
    files = judgement.files
    if not files:
        return ["No file could be judged."]
    best = front(files, judgement.better)
    told = [f"Quality and bytes: nothing here beats {_names(best)}."]
    ours = [peer for peer in files if PEERS[peer].ours]
    for peer in ours:
        if peer not in best:
            told.append(_beaten(peer, best, judgement))
    for peer in ours:
        if files[peer].described:
            whole, part = f"{files[peer].bytes:,}", f"{files[peer].described:,}"
            told.append(f"Of {PEERS[peer].title}'s {whole} bytes, {part} say how it is fed and what its answers mean.")
    if not ours:
        told.append("edgepress has no file here.")
    if judgement.busy:
        told.append(f"Latencies are not comparable: {judgement.busy}.")
        return told
    quickest = min(files, key=lambda peer: files[peer].microseconds)
    for peer in ours:
        ratio = files[peer].microseconds / files[quickest].microseconds
        if peer == quickest:
            told.append(f"Latency: {PEERS[peer].title} is the quickest.")
        else:
            first, own = PEERS[quickest].title, PEERS[peer].title
            told.append(f"Latency: {first} is the quickest; {own} takes {ratio:.2f} times as long.")
    return told


def _beaten(peer: str, best: list[str], judgement: Judgement) -> str:
    own, sign = judgement.files[peer], 1 if judgement.better == "higher" else -1
    better = [
        other
        for other in best
        if sign * judgement.files[other].value >= sign * own.value and judgement.files[other].bytes <= own.bytes
    ]
    first = max(better, key=lambda other: sign * judgement.files[other].value)
    found = judgement.files[first]
    values = f"{_value(found.value, judgement)} against {_value(own.value, judgement)}"
    what = f"the same {judgement.metric}" if found.value == own.value else f"{judgement.metric} {values}"
    less = own.bytes - found.bytes
    return f"Better than {PEERS[peer].title}: {PEERS[first].title}, {what}, with {less:,} bytes less."


def _names(peers: list[str]) -> str:
    titles = [PEERS[peer].title for peer in peers]
    return titles[0] if len(titles) == 1 else f"{'; '.join(titles[:-1])}; and {titles[-1]}"
