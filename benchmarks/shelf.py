"""A shelf of devices, measured side by side over SSH; one that fails stops no other."""

import logging
import os
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from edgepress.data import Dataset
from edgepress.runtime import EdgepressError, InputError, Manifest

from .remote import benchmark_on, check_host, pack
from .values import Report

__all__ = ["Device", "Failed", "Measured", "benchmark_shelf", "read_shelf", "shelf_of"]

_LOG = logging.getLogger("edgepress")
_KEYS = {"host": str, "name": str, "python": str, "threads": int}


class Device(NamedTuple):
    """One machine, as `devices.toml` has it."""

    host: str
    """As ssh takes it."""
    name: str = ""
    """As tables call it; the host where empty."""
    python: str = "python3"
    """The interpreter there."""
    threads: int | None = None
    """Of every backend there; what the command says where None."""

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.host


class Failed(NamedTuple):
    """A device that was not measured."""

    device: str
    host: str
    reason: str
    """In one line."""


class Measured(NamedTuple):
    """What came back."""

    reports: tuple[Report, ...]
    """In the shelf's order; `machine["host"]` is the device's name."""
    failed: tuple[Failed, ...]


def read_shelf(path: str | os.PathLike[str], *, python: str = "python3") -> list[Device]:
    """Read a TOML file with a table `[[device]]` for each, which has `host`, and may have `name`, `python`, `threads`.

    Args:
        path: The file.
        python: The interpreter of devices that name none.

    Raises:
        InputError: No such file, no TOML, or something else in it.
    """
    try:
        content = tomllib.loads(Path(path).read_text())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: name a TOML file with a table [[device]] for each device") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML file ({error}): correct it") from None
    tables = content.get("device")
    if set(content) != {"device"} or not isinstance(tables, list) or not tables:
        raise InputError(f"{path} has {', '.join(content) or 'nothing'}: a table [[device]] for each device is allowed")
    devices = []
    for number, table in enumerate(tables, 1):
        wrong = [key for key, value in table.items() if type(value) is not _KEYS.get(key)]
        if wrong or "host" not in table or table.get("threads", 1) < 1:
            allowed = ", ".join(f"{key} ({kind.__name__})" for key, kind in _KEYS.items())
            what = f"{wrong[0]} = {table[wrong[0]]!r}" if wrong else ", ".join(table) or "nothing"
            raise InputError(f"{path}: device {number} has {what}: allowed are {allowed}; host is needed")
        devices.append(Device(**{"python": python, **table}))
    return devices


def shelf_of(hosts: Sequence[str], file: str | None = None, *, python: str = "python3") -> list[Device]:
    """The devices that a command names: hosts, files with a shelf (`.toml`), or both.

    Raises:
        InputError: As `read_shelf`; a host that ssh would take for an option, or two devices of one name.
    """
    files = [*([file] if file is not None else []), *(host for host in hosts if host.endswith(".toml"))]
    devices = [Device(host, python=python) for host in hosts if not host.endswith(".toml")]
    for each in files:
        devices += read_shelf(each, python=python)
    names = [device.called for device in devices]
    for device in devices:
        check_host(device.host)
        if names.count(device.called) > 1:
            raise InputError(f"two devices are called {device.called}: give each another name in the shelf's file")
    return devices


def benchmark_shelf(
    devices: Sequence[Device],
    bundle: str | os.PathLike[str],
    dataset: Dataset | None = None,
    *,
    arguments: Sequence[str] = (),
    ssh: Sequence[str] = ("ssh",),
) -> Measured:
    """Measure a bundle on all devices at the same time, each as `benchmark_on` does.

    Args:
        devices: Where.
        bundle: A bundle's folder.
        dataset: Its test examples travel, too, where it is given.
        arguments: Further ones of `edgepress benchmark`.
        ssh: The client with its options.

    Raises:
        InputError: No bundle. What a device is to blame for stands in `failed`.
    """
    Manifest.read(bundle)
    packed = pack(Path(bundle), dataset)

    def measure(device: Device) -> Report | Failed:
        own = [] if device.threads is None else [f"--threads={device.threads}"]
        try:
            return benchmark_on(
                device.host, bundle, dataset, arguments=[*arguments, *own], ssh=ssh, python=device.python,
                name=device.called, packed=packed,
            )  # fmt: skip
        except EdgepressError as error:
            # The host stands in the message already; the others' lines go on.
            reason = str(error).removeprefix(f"{device.host}: ")
            _LOG.warning("%s is given up: %s", device.called, reason)
            return Failed(device.called, device.host, reason)

    with ThreadPoolExecutor(max(1, len(devices))) as pool:
        found = list(pool.map(measure, devices))
    return Measured(
        tuple(each for each in found if isinstance(each, Report)),
        tuple(each for each in found if isinstance(each, Failed)),
    )
