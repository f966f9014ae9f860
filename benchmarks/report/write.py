"""The report as files: JSON, one self-contained HTML page, CSV, Markdown, and the pictures on their own."""

import hashlib
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.base.files import check_writable, write_file
from edgepress.runtime import InputError

from ..statistics.judge import TRIVIAL
from ..statistics.metrics import MOST_CLASSES
from ..values import Report
from .answers import FILE, Kept
from .card import to_card
from .codec import decode, encode
from .details import row_details
from .ship import choose_row, say_fastest, say_what_to_ship
from .table import cells, headings, headline, to_csv, to_markdown

__all__ = ["SCHEMA", "check_report_place", "parse_report", "read_report", "report_to_dict", "write_report"]

SCHEMA = 1
_LOG = logging.getLogger("edgepress")

_DIFFERENCE = (
    "Differences are percentage points with paired bootstrap 95 % intervals; the verdict asks whether even the lower "
    "limit of Tango's score interval stays above minus the margin"
)
_OTHER_DIFFERENCE = (
    "Differences are row minus row 1 with paired 95 % intervals (of anomalies from all pairs of examples, else by "
    "bootstrap); the verdict asks whether even the worse end stays within the margin"
)
_PAGE = Path(__file__).with_name("page.html")
_METHOD = (
    "Every row runs in a process of its own, {repetitions} times afresh. Inside a repetition the rows take turns in an "
    "order that is drawn anew each round; a turn warms up for as many calls as the row was found to need, then times "
    "single calls one by one. A latency holds the call alone: the input tensor is ready, the output is a NumPy array. "
    "The float Keras model is called as one compiled tf.function of model(x, training=False), NumPy in and NumPy out. "
    "The timing loop itself costs {cost} of a call at most. Quantiles are over all calls of all rounds; the ratio "
    "compares medians inside a round. Images a second are those of batches of 256. Answers are judged on the whole "
    "test set; nothing was chosen on it."
)


def read_report(path: str | os.PathLike[str]) -> Report:
    """Read a `report.json`.

    Raises:
        InputError: Not there, not a report, or written by a newer edgepress.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name a report.json that `edgepress benchmark` wrote") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a report of `edgepress benchmark` ({error!r})") from None
    report = parse_report(data, str(path))
    return replace(report, kept=_kept_beside(Path(path), report))


def _kept_beside(path: Path, report: Report) -> Kept | None:
    """The answers that lie beside a report; None where they are gone, or another run's."""
    try:
        content = (path.parent / str((report.answers or {})["file"])).read_bytes()
    except (KeyError, OSError):
        return None
    if report.answers is None or hashlib.sha256(content).hexdigest() != report.answers.get("sha256"):
        _LOG.warning("%s: %s beside it is another run's: answers are not compared one by one", path, FILE)
        return None
    return Kept.read(content)


def parse_report(data: Any, name: str = "the report") -> Report:
    """The report in the object that `report.json` holds; `name` is what an error calls it.

    Raises:
        InputError: Not a report, or written by a newer edgepress.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is int and schema > SCHEMA:
        raise InputError(f"{name}: report schema {schema!r}: this edgepress reads up to {SCHEMA}; update edgepress")
    try:
        return decode(Report, data)
    except (KeyError, TypeError) as error:
        raise InputError(f"{name}: not a report of `edgepress benchmark` ({error!r})") from None


def report_to_dict(report: Report) -> dict[str, Any]:
    """The object that `report.json` holds (`report.schema.json`)."""
    found: dict[str, Any] = encode(report)
    return found


def check_report_place(folder: str | os.PathLike[str]) -> None:
    """Make sure that `write_report` will be able to write there, before anything is measured.

    Raises:
        InputError: The folder cannot be written.
        MissingExtraError: The toolkit extra, which draws, is not installed.
    """
    for module in ("matplotlib", "jinja2"):
        require(module, extra="toolkit")
    check_writable(Path(folder) / "report.json")


def write_report(report: Report, folder: str | os.PathLike[str]) -> None:
    """Write report.json, report.html, report.csv, report.md, model-card.md, answers.npz and the pictures (SVG) there.

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
    if report.kept is not None:
        content = report.kept.write()
        write_file(folder / FILE, content)
        report = replace(report, answers={"file": FILE, "sha256": hashlib.sha256(content).hexdigest()})
    write_file(folder / "report.json", json.dumps(report_to_dict(report), allow_nan=False) + "\n")


def _pictures(report: Report) -> dict[str, list[dict[str, str]]]:
    from .charts import confusion_chart, latency_chart, layer_chart, pareto_chart, sweep_chart
    from .task_charts import task_charts

    rows = report.rows
    charts, confusions = [], []
    names = "; ".join(f"{i}: {row.name}" for i, row in enumerate(rows, 1))
    chosen = choose_row(report)
    if chosen is not None:
        interval = ", with Wilson 95 % intervals" if report.classifies else ""
        name = "Accuracy" if report.classifies or chosen.metric is None else chosen.metric.name
        caption = (
            f"{name} against download size{interval}; the line joins what nothing smaller "
            f"beats. Blue TFLite, orange ONNX. {names}"
        )
        charts.append({"name": "pareto", "svg": pareto_chart(rows), "caption": caption})
        charts += task_charts(report, chosen)
        for name, row in (("float", rows[0]), ("chosen", chosen)):
            if row.scores is None or row.scores.confusion is None:
                continue
            confusions.append(
                {
                    "name": f"confusion-{name}",
                    "svg": confusion_chart(row, report.bundle.labels),
                    "caption": "Mistakes are coloured by how frequent they are.",
                }
            )
    one = report.examples.removesuffix("s")
    caption = f"One {one}: bar to the median, box from quartile to quartile, line from p1 to p99, tick at p90."
    charts.append({"name": "latency", "svg": latency_chart(rows), "caption": caption})
    caption = f"Threads, batches and backends: {report.examples} a second against {report.examples} a call. {names}"
    charts.append({"name": "sweep", "svg": sweep_chart(rows, report.examples), "caption": caption})
    if report.layers:
        caption = (
            f"Each layer of {report.layers['artifact']} against {report.layers['float32']}; "
            "the tick is its worst channel."
        )
        charts.append({"name": "layers", "svg": layer_chart(report.layers), "caption": caption})
    return {"charts": charts, "confusions": confusions}


def _alone(svg: str) -> str:
    """A picture as a file of its own, in black or, on a dark screen, in white."""
    style = "<style>:root{color:#111}@media(prefers-color-scheme:dark){:root{color:#eee}}</style>"
    head, bracket, rest = svg.partition(">")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + head + bracket + style + rest


def _page(report: Report, pictures: dict[str, list[dict[str, str]]]) -> str:
    jinja2 = require("jinja2", extra="toolkit")
    markupsafe = require("markupsafe", extra="toolkit")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    rows = report.rows
    cost = max(row.speed.harness_share for row in rows)
    page: str = template.render(
        report=report,
        headline=headline(report),
        summary=[line for line in (*_summary(report), say_fastest(report)) if line],
        columns=headings(report),
        shown_labels=report.bundle.labels if len(report.bundle.labels) <= MOST_CLASSES else (),
        trivial=TRIVIAL.get(report.task["kind"]) if report.task else None,
        difference=_DIFFERENCE if report.classifies else _OTHER_DIFFERENCE,
        broken=markupsafe.Markup(" <br>["),
        cells=cells(report),
        pictures=pictures,
        labels=report.bundle.labels,
        chosen=choose_row(report),
        details=[row_details(row) for row in rows],
        method=_METHOD.format(repetitions=len(rows[0].speed.latency_ratio.repetitions), cost=f"{100 * cost:.1f} %"),
        machine=_machine(report),
        matrix=_matrix(report),
    )
    return page


def _summary(report: Report) -> list[str]:
    """What a reader wants to know first."""
    row, base = choose_row(report), report.rows[0]
    if not report.classifies or report.chance is not None:
        return [say_what_to_ship(report)]
    if row is None or not (row.scores and row.comparison and row.verdict and base.scores):
        return []
    low, high = row.comparison.difference_interval_points
    smaller = base.sizes.gzip_bytes / row.sizes.gzip_bytes
    ratio = row.speed.latency_ratio.value
    speed = f"{1 / ratio:.1f} times as fast" if ratio < 1 else f"{ratio:.1f} times as slow"
    fast = "" if report.conditions.not_comparable else f", and it is {speed} on one image here"
    return [
        f"{row.artifact} answers {100 * row.scores.accuracy:.2f} % of the test images right; {base.artifact} "
        f"{100 * base.scores.accuracy:.2f} %. The difference is {row.comparison.difference_points:+.2f} points "
        f"(95 % interval {low:+.2f} to {high:+.2f}): {row.verdict.text}.",
        f"Its download is {row.sizes.gzip_bytes / 1000:,.1f} KB, {smaller:.1f} times smaller{fast}.",
    ]


def _matrix(report: Report) -> dict[str, Any]:
    """The conformance matrix as a table: artifacts down, backends with their delegate setting across."""
    cells = (report.conformance or {}).get("cells", [])
    named = {(cell["artifact"], _setting(cell)): cell["status"] for cell in cells if cell["backend"]}
    columns = list(dict.fromkeys(setting for _, setting in named))
    artifacts = list(dict.fromkeys(cell["artifact"] for cell in cells))
    rows = [(name, [named.get((name, column), "-") for column in columns]) for name in artifacts]
    return {"columns": columns, "rows": rows}


def _setting(cell: dict[str, Any]) -> str:
    return f"{cell['backend']}, delegate" if cell["delegate"] else str(cell["backend"])


def _machine(report: Report) -> list[tuple[str, str]]:
    machine, conditions = report.machine, report.conditions
    lines = [
        ("machine", machine["model"] or machine["processor"] or "unknown"),
        ("architecture", f"{machine['architecture']}, {machine['cores']} cores: {', '.join(machine['features'])}"),
        ("system", f"{machine['system']} {machine['release']}, Python {machine['python']}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in machine["packages"].items())),
    ]
    if report.energy is not None:
        lines.append(("energy", f"not measured: {report.energy}"))
    for when, state in (("before", conditions.before), ("after", conditions.after)):
        known = {k: v for k, v in state.items() if v is not None and k not in ("cpu_s", "own_s")}
        lines.append((when, ", ".join(f"{k} {v}" for k, v in known.items())))
    return lines
