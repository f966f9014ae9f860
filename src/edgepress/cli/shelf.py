"""`edgepress benchmark` on several devices."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgepress.base.files import write_file
from edgepress.runtime import CheckFailedError

from .common import emit

if TYPE_CHECKING:
    from edgepress.benchmarks.shelf import Device
    from edgepress.data import Dataset

__all__ = ["measure_shelf"]


def measure_shelf(
    devices: "Sequence[Device]",
    bundle: str,
    dataset: "Dataset | None",
    *,
    arguments: Sequence[str],
    ssh: Sequence[str],
    out: str | None,
    as_json: bool,
) -> None:
    """Measure, print one table, and write it with each device's report to `out`.

    Raises:
        CheckFailedError: A device was not measured; what the others gave is printed and written.
    """
    from edgepress.benchmarks import write_report
    from edgepress.benchmarks.report.shelf import shelf_to_dict, to_shelf_markdown, to_shelf_text
    from edgepress.benchmarks.shelf import benchmark_shelf

    measured = benchmark_shelf(devices, bundle, dataset, arguments=arguments, ssh=ssh)
    if measured.reports:
        found = shelf_to_dict(*measured)
        text = to_shelf_text(*measured)
        if out is not None:
            write_file(Path(out) / "devices.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
            write_file(Path(out) / "devices.md", to_shelf_markdown(*measured))
            for number, report in enumerate(measured.reports, 1):
                write_report(report, Path(out) / f"device-{number}")
            text += f"\n\nreports: {Path(out) / 'devices.md'}"
        emit(found, text, as_json=as_json)
    if measured.failed:
        reasons = "; ".join(f"{each.device}: {each.reason}" for each in measured.failed)
        raise CheckFailedError(f"{len(measured.failed)} of {len(devices)} devices were not measured: {reasons}")
