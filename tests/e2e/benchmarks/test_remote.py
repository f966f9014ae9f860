"""A real SSH server on loopback: bundle and package travel there, the report comes back, nothing stays."""

import getpass
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from emulation import RELEASES, SYSTEMS, interpreter, needs_emulation, system, wheels

from edgepress.benchmarks import benchmark_on, merge_reports, parse_report, write_report
from edgepress.benchmarks.values import Data
from edgepress.runtime import CheckFailedError, InputError, Manifest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """The device's folder for temporary files."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def server(scratch, tmp_path_factory):
    """The command of an ssh client for a server with keys of our own; its host is `device`."""
    if not Path(SSHD).is_file() or not shutil.which("ssh"):
        pytest.skip("needs sshd and ssh: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    hosts = ("device", "second", "mortal")
    for name in hosts:
        (folder / f"sshd-{name}").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nSetEnv TMPDIR={scratch}\n"
            "PasswordAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPidFile none\n"
        )
    # A server for each connection, on the client's own pipe: no port, and nothing to wait for.
    (folder / "config").write_text(
        "".join(
            f"Host {name}\n  ProxyCommand {SSHD} -i -f {folder}/sshd-{name}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {folder}/user\n  UserKnownHostsFile {folder}/known\n"
            "  StrictHostKeyChecking accept-new\n  IdentitiesOnly yes\n"
            for name in hosts
        )
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    return ["ssh", "-F", str(folder / "config")]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter on the device that has NumPy and LiteRT, and no edgepress."""
    folder = tmp_path_factory.mktemp("device")
    here = Path(sys.executable)
    wrapper = folder / "python3"
    packages = folder / "site"
    packages.mkdir()
    import ai_edge_litert
    import numpy

    for package in (numpy, ai_edge_litert):
        source = Path(package.__file__).parent
        for path in source.parent.glob(f"{source.name}*"):
            (packages / path.name).symlink_to(path)
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{packages}" exec {here} -S "$@"\n')
    wrapper.chmod(0o755)
    done = subprocess.run([wrapper, "-c", "import numpy, edgepress"], capture_output=True, text=True, check=False)
    assert "No module named 'edgepress'" in done.stderr
    return str(wrapper)


def test_a_device_is_measured_over_ssh(server, scratch, python, bundle, dataset, tmp_path):
    report = benchmark_on(
        "device", bundle, dataset, arguments=["--preset=quick", "--seed=5"], ssh=server, python=python
    )
    assert list(scratch.iterdir()) == []
    assert report.machine["host"] == "device"
    assert report.seed == 5
    assert report.dataset == Data(dataset.name, len(dataset.x_test), dataset.sha256)
    assert report.baseline.artifact == "float-float32.tflite"
    assert {row.backend for row in report.rows} == {"litert"}
    assert {failure.reason for failure in report.failed} == {"no backend for .onnx is installed here"}
    write_report(report, tmp_path / "drawn-here")
    assert (tmp_path / "drawn-here/report.html").stat().st_size > 20_000
    merged = merge_reports([report, report])
    assert len(merged.rows) == 2 * len(report.rows)


def test_the_command_brings_the_report_back(server, python, bundle):
    command = [sys.executable, "-m", "edgepress", "benchmark", str(bundle), "--on", "device", "--preset", "quick"]
    environment = os.environ | {"EDGEPRESS_SSH": " ".join(server)}
    command += ["--remote-python", python, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["dataset"] is None
    assert all(row["agreement"] > 0.5 for row in report["rows"])
    assert "device: benchmark: repetition 1 of 3" in done.stderr


def test_a_device_that_dies_midway_stops_no_other(server, python, bundle, tmp_path):
    shelf = f'[[device]]\nhost = "device"\nname = "pi4"\npython = "{python}"\n'
    found = _shelf_of_which_one_dies(server, python, bundle, shelf, tmp_path, [])
    assert [each["name"] for each in found["devices"]] == ["second", "pi4"]


def _shelf_of_which_one_dies(server, python, bundle, shelf, folder, arguments):
    """The command's object for `second`, the devices of a shelf of one, and `mortal`, which dies midway: exit 1."""
    devices = folder / "devices.toml"
    devices.write_text(f'{shelf}[[device]]\nhost = "mortal"\nname = "nano"\npython = "{python}"\n')
    command = [sys.executable, "-m", "edgepress", "benchmark", str(bundle), "--preset", "quick", "--json", *arguments]
    command += ["--shelf", str(devices), "--on", "second", "--remote-python", python, "--out", str(folder / "out")]
    environment = os.environ | {"EDGEPRESS_SSH": " ".join(server)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("mortal: benchmark: repetition 1"):
                assert _kill_server("mortal")
        said = process.stdout.read()
    assert process.returncode == 1, lines[-1]
    found = json.loads(said)
    assert lines[-1].startswith("edgepress: 1 of 3 devices were not measured: nano: ")
    names = [each["name"] for each in found["devices"]]
    assert len(names) == 2
    assert {row["device"] for row in found["rows"]} == set(names)
    assert [(each["device"], each["fastest"] is not None) for each in found["best"]] == [(name, True) for name in names]
    (failed,) = found["failed"]
    assert (failed["device"], failed["host"]) == ("nano", "mortal")
    # ssh calls it a broken pipe, a reset or a closed connection.
    assert len(failed["reason"]) > 10
    assert lines[-1].strip().endswith(failed["reason"])
    assert json.loads((folder / "out/devices.json").read_text()) == found
    page = (folder / "out/devices.md").read_text()
    assert page.startswith("| device | ship |")
    assert "- nano: not measured: " in page
    assert (folder / "out/device-2/report.html").is_file()
    return found


def _kill_server(host):
    """End the sshd that a client of ours is connected to, as a power cut does: it calls itself what it likes."""
    killed = 0
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
                client = (place.parent / parent / "cmdline").read_bytes().decode(errors="replace")
                if f"\0--\0{host}\0" in client and client.startswith("ssh\0"):
                    os.kill(int(place.name), signal.SIGKILL)
                    killed += 1
            except OSError:
                continue
    return killed


def test_failures_over_there_are_told_here(server, bundle, tmp_path):
    with pytest.raises(CheckFailedError, match=r"device: .*python-of-nowhere"):
        benchmark_on("device", bundle, ssh=server, python="python-of-nowhere")
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho '[3, 9, true]'\n")
    old.chmod(0o755)
    with pytest.raises(InputError, match=r"device: .*python3 there is Python 3\.9: .*3\.11.*--remote-python"):
        benchmark_on("device", bundle, ssh=server, python=str(old))
    old.write_text("#!/bin/sh\necho '[3, 13, false]'\n")
    with pytest.raises(InputError, match=r"device: .*python3 there has no NumPy"):
        benchmark_on("device", bundle, ssh=server, python=str(old))
    with pytest.raises(CheckFailedError, match="nowhere"):
        benchmark_on("nowhere.invalid", bundle, ssh=server)
    with pytest.raises(InputError, match="user@host"):
        benchmark_on("-oProxyCommand=false", bundle, ssh=server)


@pytest.fixture(params=RELEASES)
def arm_python(request, tmp_path_factory):
    """The Python of an emulated Raspberry Pi 4 with NumPy and LiteRT; the children that it starts are emulated, too."""
    root, site = system("arm64", request.param), wheels("arm64", "litert", request.param)
    qemu, cpu = SYSTEMS["arm64"]["qemu"]
    wrapper = tmp_path_factory.mktemp("arm") / "python3"
    # -0 lets Python take this script for itself.
    wrapper.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{site}" PYTHONDONTWRITEBYTECODE=1 exec {qemu} -0 {wrapper} -cpu {cpu} '
        f'-L {root} {interpreter(root)} -S "$@"\n'
    )
    wrapper.chmod(0o755)
    return str(wrapper)


@needs_emulation[0]
@needs_emulation[1]
def test_an_emulated_raspberry_pi_beside_two_devices_of_which_one_dies(
    server, python, arm_python, bundle, dataset, tmp_path
):
    bundle = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = Manifest.read(bundle)
    two = [manifest.artifact(f"float-{variant}.tflite") for variant in ("float32", "int8")]
    (bundle / "manifest.json").write_text(manifest._replace(artifacts=tuple(two)).to_json())
    np.savez(
        tmp_path / "few.npz",
        x_train=dataset.x_train, y_train=dataset.y_train, x_test=dataset.x_test[:500], y_test=dataset.y_test[:500],
    )  # fmt: skip
    shelf = f'[[device]]\nhost = "device"\nname = "pi"\npython = "{arm_python}"\n'
    data = ["--data", str(tmp_path / "few.npz")]
    found = _shelf_of_which_one_dies(server, python, bundle, shelf, tmp_path, data)
    assert [each["name"] for each in found["devices"]] == ["second", "pi"]
    here, there = (parse_report(json.loads((tmp_path / f"out/device-{n}/report.json").read_text())) for n in (1, 2))
    assert [each.machine["architecture"] for each in (here, there)] == ["x86_64", "aarch64"]
    rows = {row.artifact: row for row in there.rows}
    assert len(rows) == len(here.rows) == 2
    for row in here.rows:
        # Emulated times say nothing; answers do.
        assert abs(rows[row.artifact].accuracy - row.accuracy) <= 0.002
        assert rows[row.artifact].speed.latency_us.p50 > 0
