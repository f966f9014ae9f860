"""A Ray cluster: that of an address, or one of this machine for as long as it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .extras import require

__all__ = ["ALONE", "ray_cluster"]

ALONE = "local"
"""In place of an address: this machine, and no cluster."""


@contextmanager
def ray_cluster(address: str, cpus: int, *, log_to_driver: bool = True) -> Iterator[Any]:
    """The package `ray`, connected; it is left when the block ends.

    Args:
        address: As Ray takes it (`auto`, `host:6379`, `ray://host:10001`), or `local`.
        cpus: Processors that this machine gives where it is alone.
        log_to_driver: Whether what the cluster's processes print appears here.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    ray = require("ray", extra="ray")
    own = {"num_cpus": cpus, "include_dashboard": False} if address == ALONE else {}
    ray.init(address=address, log_to_driver=log_to_driver, **own)
    try:
        yield ray
    finally:
        ray.shutdown()
