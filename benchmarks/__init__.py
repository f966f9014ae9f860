"""What pressing cost: accuracy, latency and footprint against the float model, with intervals."""

from .remote import benchmark_on
from .report.devices import merge_reports
from .report.write import parse_report, read_report, report_to_dict, write_report
from .suite import benchmark
from .values import Report, Row

__all__ = [
    "Report", "Row", "benchmark", "benchmark_on", "merge_reports", "parse_report", "read_report", "report_to_dict",
    "write_report",
]  # fmt: skip
