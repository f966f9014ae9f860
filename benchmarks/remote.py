"""Measure on another machine: bundle and package travel over SSH, the report comes back.

The other machine needs Python, NumPy and one backend. edgepress and the pure-Python packages of its base install travel
along; nothing is installed and nothing stays.
"""

import io
import json
import logging
import os
import shlex
import subprocess
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgepress.data import CLASSES, Dataset
from edgepress.runtime import CheckFailedError, InputError, Manifest

from .question import ANOMALY_NAMES
from .report.write import parse_report
from .values import Report

__all__ = ["benchmark_on", "check_host", "pack"]

_LOG = logging.getLogger("edgepress")
_STAGES = ("base", "runtime", "quality", "data", "benchmarks", "cli")
_PURE = ("click", "flatbuffers", "tflite")
_OLDEST_PYTHON = (3, 11)
_OPTIONS = ("BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=3")
# The interpreter's version, and whether it has NumPy; to be understood by any Python 3.
_PROBE = (
    "import importlib.util, json, sys; "
    "print(json.dumps([*sys.version_info[:2], importlib.util.find_spec('numpy') is not None]))"
)


def benchmark_on(
    host: str,
    bundle: str | os.PathLike[str],
    dataset: Dataset | None = None,
    *,
    arguments: Sequence[str] = (),
    ssh: Sequence[str] = ("ssh",),
    python: str = "python3",
    name: str | None = None,
    packed: bytes | None = None,
) -> Report:
    """Copy bundle and package to `host`, run `edgepress benchmark` there, and bring the report back.

    Args:
        host: As ssh takes it: `user@host`, or a name of your SSH configuration.
        bundle: A bundle's folder.
        dataset: Its test images travel, too, where it is given.
        arguments: Further ones of `edgepress benchmark`.
        ssh: The client with its options; `-F config` for instance.
        python: The interpreter there.
        name: What the device is called; the host when None.
        packed: What `pack` gave for bundle and data, where several devices get it.

    Returns:
        The report, with the device's name as `host` under `machine`.

    Raises:
        InputError: A host that ssh would take for an option, no bundle, an interpreter that is too old or has no NumPy.
        CheckFailedError: ssh, or the benchmark there, failed; its last line says why.
    """
    check_host(host)
    Manifest.read(bundle)
    remote = _Remote(host, ssh)
    _check_interpreter(remote, host, python)
    folder = remote.run(["mktemp", "-d"]).decode().strip()
    if not folder.startswith("/"):
        raise CheckFailedError(f"{host}: mktemp -d answered {folder!r}")
    try:
        _LOG.info("benchmark: copying to %s", host)
        remote.run(["tar", "-xzf", "-", "-C", folder], packed or pack(Path(bundle), dataset))
        data = [] if dataset is None else ["--data", f"{folder}/{dataset.name}.npz"]
        command = ["env", f"PYTHONPATH={folder}/packages", python, "-m", "edgepress", "benchmark", f"{folder}/bundle"]
        found: dict[str, Any] = json.loads(remote.run([*command, "--json", *data, *arguments]))
    except json.JSONDecodeError as error:
        _remove(remote, folder)
        raise CheckFailedError(f"{host}: no report came back ({error})") from None
    except BaseException:
        _remove(remote, folder)
        raise
    remote.run(["rm", "-rf", folder])
    found["machine"]["host"] = name or host
    return parse_report(found, host)


def check_host(host: str) -> None:
    """Raise InputError for a host that ssh would take for an option."""
    if not host or host.startswith("-"):
        raise InputError(f"host {host!r}: name it as ssh does, user@host")


def _remove(remote: "_Remote", folder: str) -> None:
    """Leave nothing on a host that has failed; where it does not answer any more, why it failed is what counts."""
    with suppress(CheckFailedError):
        remote.run(["rm", "-rf", folder])


def _check_interpreter(remote: "_Remote", host: str, python: str) -> None:
    answer = remote.run([python, "-c", _PROBE]).decode(errors="replace").strip()
    try:
        major, minor, has_numpy = json.loads(answer)
    except (TypeError, ValueError):
        raise InputError(f"{host}: {python} there is no Python 3: name one with --remote-python") from None
    if (major, minor) < _OLDEST_PYTHON:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        raise InputError(
            f"{host}: {python} there is Python {major}.{minor}: edgepress needs {oldest} or later, name another "
            "interpreter with --remote-python"
        )
    if not has_numpy:
        raise InputError(
            f"{host}: {python} there has no NumPy: install it there (apt-get install python3-numpy), or name another "
            "interpreter with --remote-python"
        )


def pack(bundle: Path, dataset: Dataset | None) -> bytes:
    """Bundle, package and data as one gzipped tar file: bundle/, packages/, <data set>.npz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=3) as tar:
        for artifact in sorted(bundle.iterdir()):
            if artifact.is_file():
                tar.add(artifact, f"bundle/{artifact.name}")
        root = _folder_of("edgepress")
        for file in sorted(root.glob("*.py")):
            tar.add(file, f"packages/edgepress/{file.name}")
        for stage in _STAGES:
            tar.add(_folder_of(f"edgepress.{stage}").resolve(), f"packages/edgepress/{stage}", filter=_without_caches)
        for name in _PURE:
            tar.add(_folder_of(name), f"packages/{name}", filter=_without_caches)
        if dataset is not None:
            content = _archive(dataset)
            member = tarfile.TarInfo(f"{dataset.name}.npz")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _archive(dataset: Dataset) -> bytes:
    """A data set as an .npz that reads as the same there: inputs, targets, and the names of classes.

    Raises:
        InputError: Several inputs, for whose parts such a file has no names.
    """
    if len(dataset.inputs) > 1:
        raise InputError(f"{dataset.name} has the inputs {', '.join(dataset.inputs)}: data with one travel to a host")
    arrays: dict[str, Any] = {}
    names = dataset.targets.names
    for part in ("train", "test"):
        found = dataset.parts[part]
        arrays[f"x_{part}"] = found.x
        if found.targets is not None:
            # Which class is the normal one is told by its name.
            arrays[f"y_{part}"] = np.array(names)[found.targets] if names == ANOMALY_NAMES else found.targets
    if dataset.targets.kind == CLASSES and names != ANOMALY_NAMES:
        arrays["class_names"] = np.array(names)
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _folder_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"{package} is not installed here as files: install edgepress with pip")
    return Path(spec.origin).parent


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


class _Remote:
    """Runs commands on the host through the system's own client, which has keys, ports and jump hosts configured."""

    def __init__(self, host: str, ssh: Sequence[str]) -> None:
        # BatchMode: a password prompt would hang an unattended run. The others: a host that fell asleep is told from
        # one that is busy, within a minute. What `ssh` says itself counts before them.
        options = [f"-o{option}" for option in _OPTIONS]
        self._client = [*ssh, *options, "--", host]
        self._host = host

    def run(self, command: Sequence[str], content: bytes = b"") -> bytes:
        """Its standard output; its standard error passes through as progress, line by line."""
        try:
            with subprocess.Popen(
                [*self._client, shlex.join(command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                assert process.stderr is not None
                with ThreadPoolExecutor(2) as pool:
                    told = pool.submit(self._tell, process.stderr)
                    written = pool.submit(_write, process.stdin, content)
                    output = process.stdout.read()
                    written.result()
                    last = told.result()
        except FileNotFoundError:
            raise InputError(f"{self._client[0]} is not installed: install the OpenSSH client") from None
        if process.returncode:
            raise CheckFailedError(f"{self._host}: {last or f'exit status {process.returncode}'}")
        if last:
            _LOG.info("%s: %s", self._host, last)
        return output

    def _tell(self, errors: IO[bytes]) -> str:
        """Log each line but the last one, which may be the reason of a failure: it comes back."""
        last = ""
        for line in errors:
            text = line.decode(errors="replace").strip()
            if text:
                if last:
                    _LOG.info("%s: %s", self._host, last)
                last = text
        return last


def _write(stream: IO[bytes], content: bytes) -> None:
    # A host that died reads no more; its exit status says so.
    with suppress(BrokenPipeError):
        stream.write(content)
    with suppress(BrokenPipeError):
        stream.close()
