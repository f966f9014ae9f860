"""The report as files: JSON, one self-contained HTML page, CSV, Markdown, and the pictures on their own."""

import json
import os
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import InputError

from .card import to_card
from .table import COLUMNS, cells, headline, to_csv, to_markdown

__all__ = ["choose_row", "read_report", "write_report"]

_PAGE = Path(__file__).with_name("page.html")
_METHOD = (
    "Every row runs in a process of its own, {repetitions} times afresh. Inside a repetition the rows take turns in an "
    "order that is drawn anew each round; a turn warms up for as many calls as the row was found to need, then times "
    "single calls one by one. A latency holds the call alone: the input tensor is ready, the output is a NumPy array. "
    "The float Keras model is called as one compiled tf.function of model(x, training=False), NumPy in and NumPy out. "
    "The timing loop itself costs {cost} of a call at most. Quantiles are over all calls of all rounds; the ratio "
    "compares medians inside a round. Images a second are those of batches of 256. Accuracy is measured on the whole "
    "test set; nothing was chosen on it."
)


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a `report.json`.

    Raises:
        InputError: Not there, not a report, or written by a newer edgepress.
    """
    try:
        report = json.loads(Path(path).read_bytes())
        schema = report["schema"]
        report["rows"], report["baseline"], report["machine"]  # what every reader needs
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name a report.json that `edgepress benchmark` wrote") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a report of `edgepress benchmark` ({error!r})") from None
    if not isinstance(schema, int) or schema > 1:
        raise InputError(f"{path}: report schema {schema!r}: this edgepress reads up to 1; update edgepress")
    return report


def write_report(report: dict[str, Any], folder: str | os.PathLike[str]) -> None:
    """Write report.json, report.html, report.csv, report.md, model-card.md and the pictures (SVG) into `folder`.

    Args:
        report: What `benchmark` returned, or `read_report`: a file from a device is drawn on the workstation.
        folder: Made where it is missing; files of an earlier report are replaced.

    Raises:
        MissingExtraError: The toolkit extra, which draws, is not installed.
    """
    folder = Path(folder)
    pictures = _pictures(report)
    page = _page(report, pictures)
    for group in pictures.values():
        for picture in group:
            write_file(folder / f"{picture['name']}.svg", _alone(picture["svg"]))
    write_file(folder / "report.csv", to_csv(report))
    write_file(folder / "report.md", to_markdown(report))
    write_file(folder / "model-card.md", to_card(report, choose_row(report)))
    write_file(folder / "report.html", page)
    write_file(folder / "report.json", json.dumps(report, allow_nan=False) + "\n")


def choose_row(report: dict[str, Any]) -> dict[str, Any] | None:
    """The row that one would ship: the smallest download that is non-inferior, else the most accurate; never the
    baseline. None where accuracy was not measured."""
    others = [row for row in report["rows"][1:] if row["accuracy"] is not None]
    shown = [row for row in others if row["verdict"]["non_inferior"]]
    if shown:
        return min(shown, key=lambda row: (row["gzip_bytes"], row["latency_us"]["p50"]))
    return max(others, key=lambda row: row["accuracy"], default=None)


def _pictures(report: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    from .charts import confusion_chart, latency_chart, layer_chart, pareto_chart

    rows = report["rows"]
    charts, confusions = [], []
    names = "; ".join(f"{i}: {row['artifact']} ({row['backend']})" for i, row in enumerate(rows, 1))
    chosen = choose_row(report)
    if chosen is not None:
        caption = (
            "Accuracy against download size, with Wilson 95 % intervals; the line joins what nothing smaller "
            f"beats. Blue TFLite, orange ONNX. {names}"
        )
        charts.append({"name": "pareto", "svg": pareto_chart(rows), "caption": caption})
        for name, row in (("float", rows[0]), ("chosen", chosen)):
            confusions.append(
                {
                    "name": f"confusion-{name}",
                    "svg": confusion_chart(row, report["bundle"]["labels"]),
                    "caption": "Mistakes are coloured by how frequent they are.",
                }
            )
    caption = "One image: bar to the median, box from quartile to quartile, line from p1 to p99, tick at p90."
    charts.append({"name": "latency", "svg": latency_chart(rows), "caption": caption})
    if report["layers"]:
        caption = (
            f"Each layer of {report['layers']['artifact']} against {report['layers']['float32']}; "
            "the tick is its worst channel."
        )
        charts.append({"name": "layers", "svg": layer_chart(report["layers"]), "caption": caption})
    return {"charts": charts, "confusions": confusions}


def _alone(svg: str) -> str:
    """A picture as a file of its own, in black or, on a dark screen, in white."""
    style = "<style>:root{color:#111}@media(prefers-color-scheme:dark){:root{color:#eee}}</style>"
    head, bracket, rest = svg.partition(">")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + head + bracket + style + rest


def _page(report: dict[str, Any], pictures: dict[str, list[dict[str, str]]]) -> str:
    jinja2 = require("jinja2", extra="toolkit")
    markupsafe = require("markupsafe", extra="toolkit")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    rows = report["rows"]
    cost = max(row["harness_share"] for row in rows)
    page: str = template.render(
        report=report,
        headline=headline(report),
        summary=_summary(report),
        columns=list(COLUMNS),
        broken=markupsafe.Markup(" <br>["),
        cells=cells(report),
        pictures=pictures,
        labels=report["bundle"]["labels"],
        chosen=choose_row(report),
        details=[_details(row) for row in rows],
        method=_METHOD.format(repetitions=len(rows[0]["latency_ratio"]["repetitions"]), cost=f"{100 * cost:.1f} %"),
        machine=_machine(report),
        matrix=_matrix(report),
    )
    return page


def _summary(report: dict[str, Any]) -> list[str]:
    """What a reader wants to know first."""
    row, base = choose_row(report), report["rows"][0]
    if row is None:
        return []
    low, high = row["difference_interval_points"]
    smaller = base["gzip_bytes"] / row["gzip_bytes"]
    ratio = row["latency_ratio"]["value"]
    speed = f"{1 / ratio:.1f} times as fast" if ratio < 1 else f"{ratio:.1f} times as slow"
    fast = "" if report["conditions"]["not_comparable"] else f", and it is {speed} on one image here"
    return [
        f"{row['artifact']} answers {100 * row['accuracy']:.2f} % of the test images right; {base['artifact']} "
        f"{100 * base['accuracy']:.2f} %. The difference is {row['difference_points']:+.2f} points "
        f"(95 % interval {low:+.2f} to {high:+.2f}): {row['verdict']['text']}.",
        f"Its download is {row['gzip_bytes'] / 1000:,.1f} KB, {smaller:.1f} times smaller{fast}.",
    ]


def _details(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything that the table has no column for."""
    lines = [("sha256", row["sha256"])]
    for key, name in (("xz_bytes", "xz download"), ("zstd_bytes", "zstd download")):
        if row[key] is not None:
            lines.append((name, f"{row[key] / 1000:,.1f} KB"))
    if row["runtime_bytes"]:
        total = sum(row["runtime_bytes"].values()) / 1e6
        lines.append(("installed runtime", f"{total:,.0f} MB: {', '.join(row['runtime_bytes'])}"))
    cold = row["cold_start_us"]
    parts = ", ".join(f"{name} {value / 1000:,.1f} ms" for name, value in cold.items())
    lines.append(("cold start", f"{sum(cold.values()) / 1000:,.0f} ms: {parts}"))
    memory = row["memory_bytes"]
    if memory["peak"] is not None:
        lines.append(("memory", f"peak {memory['peak'] / 1e6:,.0f} MB, steady {memory['steady'] / 1e6:,.0f} MB"))
    if row["latency_us"]["p99.9"] is not None:
        lines.append(("p99.9", f"{row['latency_us']['p99.9']:,.1f} us of {row['latency_calls']:,} calls"))
    lines.append(("pixels to probabilities", f"{row['predict_latency_us']:,.1f} us"))
    lines.append(("warm-up", f"{row['warmup_calls']} calls"))
    lines.append(("timing loop", f"{row['harness_cost_us']:.2f} us, {100 * row['harness_share']:.1f} % of a call"))
    batches = ", ".join(f"{b['size']}: {b['images_per_s']:,.0f}" for b in row["batches"])
    lines.append(("images a second by batch", batches))
    if row["threads_sweep"]:
        sweep = ", ".join(
            f"{s['threads']}: {s['p50_us']:,.1f} us and {s['images_per_s']:,.0f}/s" for s in row["threads_sweep"]
        )
        lines.append(("by threads", sweep))
    if row["energy_uj"]:
        energy = row["energy_uj"]
        above = f"{energy['above_idle_uj']:,.0f} above idle"
        lines.append(("energy", f"{energy['per_image_uj']:,.0f} uJ an image, {above}; whole processor"))
    if row["accuracy"] is not None:
        low, high = row["accuracy_interval"]
        if row["invalid_answers"]:
            lines.append(("no valid answer (NaN)", f"{row['invalid_answers']:,} images"))
        lines.append(("accuracy, Wilson 95 %", f"{100 * low:.2f} to {100 * high:.2f} %"))
        low, high = row["difference_score_interval_points"]
        lines.append(("difference, Tango 95 %", f"{low:+.2f} to {high:+.2f} points"))
        pairs = row["pairs"]
        split = f"{pairs['only_float_right']} lost, {pairs['only_row_right']} won"
        lines.append(("McNemar", f"{split}; exact p {row['mcnemar_exact_p']:.3g}, mid-p {row['mcnemar_mid_p']:.3g}"))
        lines.append(("top-k", ", ".join(f"{k}: {100 * v:.2f} %" for k, v in row["top_k"].items())))
        lines.append(("calibration error", f"{row['expected_calibration_error']:.4f}"))
        lines.append(("log-loss", f"{row['log_loss']:.4f}"))
        worst = min(enumerate(row["f1_difference"]), key=lambda pair: pair[1]["difference"])
        low, high = worst[1]["interval"]
        lines.append(
            ("largest loss of F1", f"class {worst[0]}: {worst[1]['difference']:+.4f}, {low:+.4f} to {high:+.4f}")
        )
    return lines


def _matrix(report: dict[str, Any]) -> dict[str, Any]:
    """The conformance matrix as a table: artifacts down, backends with their delegate setting across."""
    cells = (report["conformance"] or {}).get("cells", [])
    named = {(cell["artifact"], _setting(cell)): cell["status"] for cell in cells if cell["backend"]}
    columns = list(dict.fromkeys(setting for _, setting in named))
    artifacts = list(dict.fromkeys(cell["artifact"] for cell in cells))
    rows = [(name, [named.get((name, column), "-") for column in columns]) for name in artifacts]
    return {"columns": columns, "rows": rows}


def _setting(cell: dict[str, Any]) -> str:
    return f"{cell['backend']}, delegate" if cell["delegate"] else str(cell["backend"])


def _machine(report: dict[str, Any]) -> list[tuple[str, str]]:
    machine, conditions = report["machine"], report["conditions"]
    lines = [
        ("machine", machine["model"] or machine["processor"] or "unknown"),
        ("architecture", f"{machine['architecture']}, {machine['cores']} cores: {', '.join(machine['features'])}"),
        ("system", f"{machine['system']} {machine['release']}, Python {machine['python']}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in machine["packages"].items())),
    ]
    if report["energy"] is not None:
        lines.append(("energy", f"not measured: {report['energy']}"))
    for when in ("before", "after"):
        known = {k: v for k, v in conditions[when].items() if v is not None and k not in ("cpu_s", "own_s")}
        lines.append((when, ", ".join(f"{k} {v}" for k, v in known.items())))
    return lines
