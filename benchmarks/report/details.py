"""What the page says of a row beyond the table's columns."""

from ..values import Comparison, Row, Scores

__all__ = ["row_details"]


def row_details(row: Row) -> list[tuple[str, str]]:
    """Everything that the table has no column for."""
    lines = [("sha256", row.sha256)]
    speed = row.speed
    for size, name in ((row.sizes.xz_bytes, "xz download"), (row.sizes.zstd_bytes, "zstd download")):
        if size is not None:
            lines.append((name, f"{size / 1000:,.1f} KB"))
    if row.runtime_bytes:
        total = sum(row.runtime_bytes.values()) / 1e6
        lines.append(("installed runtime", f"{total:,.0f} MB: {', '.join(row.runtime_bytes)}"))
    cold = speed.cold_start_us
    parts = ", ".join(f"{name} {value / 1000:,.1f} ms" for name, value in cold.items())
    lines.append(("cold start", f"{sum(cold.values()) / 1000:,.0f} ms: {parts}"))
    memory = speed.memory_bytes
    if memory.peak is not None and memory.steady is not None:
        lines.append(("memory", f"peak {memory.peak / 1e6:,.0f} MB, steady {memory.steady / 1e6:,.0f} MB"))
    if speed.latency_us.p99_9 is not None:
        lines.append(("p99.9", f"{speed.latency_us.p99_9:,.1f} us of {speed.latency_calls:,} calls"))
    lines.append(
        (
            "from examples to answers" if row.scores is None else "pixels to probabilities",
            f"{speed.predict_latency_us:,.1f} us",
        )
    )
    lines.append(("warm-up", f"{speed.warmup_calls} calls"))
    lines.append(("timing loop", f"{speed.harness_cost_us:.2f} us, {100 * speed.harness_share:.1f} % of a call"))
    batches = ", ".join(f"{b.size}: {b.images_per_s:,.0f}" for b in speed.batches)
    lines.append(("images a second by batch", batches))
    if row.threads_sweep:
        sweep = ", ".join(f"{s.threads}: {s.p50_us:,.1f} us and {s.images_per_s:,.0f}/s" for s in row.threads_sweep)
        lines.append(("by threads", sweep))
    if row.energy_uj:
        above = f"{row.energy_uj.above_idle_uj:,.0f} above idle"
        lines.append(("energy", f"{row.energy_uj.per_image_uj:,.0f} uJ an image, {above}; whole processor"))
    if row.metric is not None and row.metric.trivial is not None:
        lines.append(("trivial answer", f"{row.metric.name} {row.metric.trivial:.4g}"))
    lines += [(name, f"{value:.4f}") for name, value in (row.metrics or {}).items()]
    if row.verdict is not None and row.verdict.lower is not None and row.comparison is None:
        lines.append(("verdict", f"{row.verdict.text}; at worst {row.verdict.lower:+.3g} {row.verdict.unit}"))
    if row.scores is not None and row.comparison is not None:
        lines += _answer_details(row.scores, row.comparison)
    return lines


def _answer_details(scores: Scores, comparison: Comparison) -> list[tuple[str, str]]:
    lines = []
    low, high = scores.accuracy_interval
    if scores.invalid_answers:
        lines.append(("no valid answer (NaN)", f"{scores.invalid_answers:,} images"))
    lines.append(("accuracy, Wilson 95 %", f"{100 * low:.2f} to {100 * high:.2f} %"))
    low, high = comparison.difference_score_interval_points
    lines.append(("difference, Tango 95 %", f"{low:+.2f} to {high:+.2f} points"))
    split = f"{comparison.pairs.only_float_right} lost, {comparison.pairs.only_row_right} won"
    p_values = f"exact p {comparison.mcnemar_exact_p:.3g}, mid-p {comparison.mcnemar_mid_p:.3g}"
    lines.append(("McNemar", f"{split}; {p_values}"))
    lines.append(("top-k", ", ".join(f"{k}: {100 * v:.2f} %" for k, v in scores.top_k.items())))
    lines.append(("calibration error", f"{scores.expected_calibration_error:.4f}"))
    lines.append(("log-loss", f"{scores.log_loss:.4f}"))
    lines = [line for line in lines if line[1]]
    place, worst = min(enumerate(comparison.f1_difference), key=lambda pair: pair[1].difference)
    low, high = worst.interval
    lines.append(("largest loss of F1", f"class {place}: {worst.difference:+.4f}, {low:+.4f} to {high:+.4f}"))
    return lines
