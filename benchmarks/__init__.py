"""What pressing cost: accuracy, latency and footprint against the float model, with intervals."""

from .remote import benchmark_on
from .report.devices import merge_reports
from .report.write import read_report, write_report
from .suite import benchmark

__all__ = ["benchmark", "benchmark_on", "merge_reports", "read_report", "write_report"]
