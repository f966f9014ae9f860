"""What pressing cost: accuracy, latency and footprint against the float model, with intervals."""

from .report import read_report, write_report
from .suite import benchmark

__all__ = ["benchmark", "read_report", "write_report"]
