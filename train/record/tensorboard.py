"""Logs that TensorBoard shows. TensorFlow writes them itself; the tensorboard package is for looking at them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgepress.base.extras import require

__all__ = ["scalar_log"]


def scalar_log(folder: Path) -> Callable[[int, dict[str, Any]], None]:
    """A function that writes one epoch's record, by its number, as scalars into `folder`."""
    tensorflow = require("tensorflow", extra="toolkit")
    writer = tensorflow.summary.create_file_writer(str(folder))
    # What `tf.summary.scalar` writes; that function itself asks for the tensorboard package.
    metadata = tensorflow.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"

    def write(epoch: int, record: dict[str, Any]) -> None:
        with writer.as_default():
            for name, value in record.items():
                tensor = tensorflow.constant(value, tensorflow.float32)
                tensorflow.summary.write(name, tensor, step=epoch, metadata=metadata)
        writer.flush()

    return write
