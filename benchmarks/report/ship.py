"""Which row to ship, by one rule, and why, in one sentence."""

from ..values import Report, Row

__all__ = ["choose_row", "say_what_to_ship"]


def choose_row(report: Report) -> Row | None:
    """The row that one would ship: the smallest download that is non-inferior, else the most accurate; of equal ones
    the fastest, and never the baseline. None where accuracy was not measured."""
    others = [(row, row.scores.accuracy) for row in report.rows[1:] if row.scores is not None]
    shown = [row for row, _ in others if row.verdict is not None and row.verdict.non_inferior]
    if shown:
        return min(shown, key=lambda row: (row.sizes.gzip_bytes, row.speed.latency_us.p50))
    return max(others, key=lambda each: (each[1], -each[0].speed.latency_us.p50), default=(None, 0.0))[0]


def say_what_to_ship(report: Report) -> str:
    """The choice with the figures that make it one; or why there is none."""
    row, base = choose_row(report), report.rows[0]
    if row is None or row.scores is None or row.comparison is None or row.verdict is None:
        if report.dataset is None:
            return "nothing is said to be fit to ship: accuracy was not measured (no --data)"
        return "nothing to ship: no row was measured besides the baseline"
    download = f"{row.sizes.gzip_bytes / 1000:,.1f} KB gzipped"
    size = f"{row.sizes.bytes / 1000:,.1f} KB ({row.sizes.bytes / base.sizes.bytes:.2f} x {base.artifact}; {download})"
    speed = f"{row.speed.latency_us.p50:,.1f} us in {row.backend}"
    accuracy = f"{100 * row.scores.accuracy:.2f} %"
    low, high = row.comparison.difference_interval_points
    if row.verdict.non_inferior:
        within = f"within {row.verdict.margin_points:g} points of {base.artifact}"
        return f"ship {row.artifact}: {size}, {accuracy}, {within}, {speed}; no smaller download is as good"
    return (
        f"no file is shown to be within {row.verdict.margin_points:g} points of {base.artifact}: the most accurate is "
        f"{row.artifact}: {size}, {accuracy} ({low:+.2f} to {high:+.2f} points), {speed}"
    )
