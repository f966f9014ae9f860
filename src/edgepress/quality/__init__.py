"""What answers are worth: metrics, the trivial answer, paired intervals; one file a task. NumPy only.

It stands between the runtime and the data, so that training, export and benchmarks judge by one rule.
"""

from .metric import Metric, bootstrap, paired_interval, resamples
from .noise import sqnr_db
from .table import QUALITY, Quality, Standing, quality_of

__all__ = [
    "QUALITY",
    "Metric",
    "Quality",
    "Standing",
    "bootstrap",
    "paired_interval",
    "quality_of",
    "resamples",
    "sqnr_db",
]
