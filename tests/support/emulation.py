"""Another machine's Python under user-mode emulation, with real wheels from the package index.

Debian's qemu-user-static runs the processor's instructions, mmdebstrap brings the system's Python, pip the wheels; all
of it is kept in $XDG_CACHE_HOME/edgepress-tests for the next run. Emulated times say nothing about a device.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "edgepress-tests"
BASE = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgcc-s1", "zlib1g", "liblzma5", "libbz2-1.0")
# A Raspberry Pi 4's, which LiteRT and ONNX Runtime read; on the host's own they crash or take other kernels.
CPUINFO = "".join(
    f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    for core in range(4)
)
ARM64 = [f"manylinux{tag}_aarch64" for tag in ("2014", "_2_17", "_2_27", "_2_28", "_2_34")]
ARMHF = [f"manylinux{tag}_armv7l" for tag in ("2014", "_2_17", "_2_31", "_2_34", "_2_35")]
# Debian's releases that Raspberry Pi OS follows, and their Python.
RELEASES = {"bookworm": "3.11", "trixie": "3.13"}
PURE = ("flatbuffers==25.12.19", "tflite==2.18.0")
SYSTEMS = {
    "arm64": {"qemu": ("qemu-aarch64-static", "cortex-a72"), "packages": BASE, "platforms": ARM64},
    "armhf": {
        "qemu": ("qemu-arm-static", "cortex-a7"),
        "packages": (*BASE, "python3-numpy"),
        "platforms": ARMHF,
    },
}
WHEELS = {
    ("arm64", "litert"): ("numpy==2.4.6", "ai-edge-litert==2.3.0"),
    ("arm64", "onnxruntime"): ("numpy==2.4.6", "onnxruntime==1.32.0"),
    ("arm64", "tflite-runtime"): ("numpy==1.26.4", "tflite-runtime==2.14.0"),
    ("arm64", "serve"): (
        "numpy==2.4.6",
        "ai-edge-litert==2.3.0",
        "click==8.5.1",
        "starlette==1.10.0",
        "uvicorn==0.54.0",
        "httptools==0.9.0",
        "uvloop==0.23.0",
        "orjson==3.13.0",
        "python-multipart==0.0.34",
        "prometheus-client==0.26.0",
        "pillow==13.0.0",
        "anyio==4.16.0",
        "idna==3.20",
        "h11==0.16.0",
        "typing-extensions==4.16.0",
    ),
    ("armhf", "tflite-runtime"): ("tflite-runtime==2.14.0",),
}

needs_emulation = [
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() != "x86_64", reason="emulates ARM on x86-64 Linux"
    ),
    pytest.mark.skipif(
        not all(map(shutil.which, ("qemu-aarch64-static", "qemu-arm-static", "mmdebstrap"))),
        reason="needs Debian's packages: apt-get install qemu-user-static mmdebstrap",
    ),
]


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-2000:]}"


def kept(name, make):
    """The folder `name` of the cache; `make` fills it once, whole or not at all."""
    folder = CACHE / name
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        work = CACHE / f"{name}.{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        make(work)
        try:
            work.rename(folder)
        except OSError:
            # Another run was quicker.
            shutil.rmtree(work)
    return folder


def system(arch, release="bookworm"):
    """A root folder with Debian's Python for `arch`, and a Raspberry Pi's processor."""
    packages = SYSTEMS[arch]["packages"]

    def make(folder):
        include = f"--include={','.join(packages)}"
        # The release alone: its updates are another index, which a mirror may be in the middle of changing.
        source = f"deb http://deb.debian.org/debian {release} main"
        options = ["--mode=root", "--variant=extract", f"--arch={arch}", '--aptopt=Acquire::Retries "5"']
        run("mmdebstrap", *options, include, release, folder, source)
        if not (folder / "lib").exists():
            # From trixie on a package's script makes this link; nothing is configured here.
            (folder / "lib").symlink_to("usr/lib")
        (folder / "proc").mkdir(exist_ok=True)
        (folder / "proc/cpuinfo").write_text(CPUINFO)
        cpus = folder / "sys/devices/system/cpu"
        cpus.mkdir(parents=True)
        for name, text in (("possible", "0-3"), ("present", "0-3"), ("online", "0-3"), ("kernel_max", "3")):
            (cpus / name).write_text(text + "\n")
        for core in range(4):
            topology = cpus / f"cpu{core}/topology"
            topology.mkdir(parents=True)
            (topology / "core_id").write_text(f"{core}\n")
            (topology / "physical_package_id").write_text("0\n")
            (cpus / f"cpu{core}/cpufreq").mkdir()
            (cpus / f"cpu{core}/cpufreq/cpuinfo_max_freq").write_text("1500000\n")
        for library in folder.glob("usr/lib/*/*/lib[bl]*a*.so.3"):
            # Debian's alternatives would link them; nothing is configured here.
            (library.parents[1] / library.name).symlink_to(library.relative_to(library.parents[1]))

    return kept(f"{release}-{arch}", make)


def wheels(arch, backend, release="bookworm"):
    """A folder with the backend's wheels for `arch` and that release's Python."""
    packages, version = WHEELS[arch, backend], RELEASES[release]
    pip = next(
        (
            python
            for python in (sys.executable, os.environ.get("EDGEPRESS_TFLITE_RUNTIME_PYTHON", ""))
            if python
            and subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        ),
        None,
    )
    if pip is None:
        pytest.skip("needs pip to fetch the wheels")

    def make(folder):
        platforms = [f"--platform={name}" for name in SYSTEMS[arch]["platforms"]]
        only = ("--no-deps", "--only-binary=:all:", f"--python-version={version}", "--implementation=cp")
        run(pip, "-m", "pip", "install", "--quiet", "--target", folder, *only, *platforms, *packages, *PURE)

    return kept("-".join((f"py{version}", arch, backend, *(p.split("==")[1] for p in packages))), make)


def interpreter(root):
    """The Python of a root folder."""
    return next(root.glob("usr/bin/python3.*"))


def emulator(arch, packages, release="bookworm"):
    """The command that runs Python for `arch` with those wheels and this source tree, and its environment."""
    root = system(arch, release)
    path = [str(wheels(arch, packages, release)), str(ROOT / "src")]
    if arch == "armhf":
        path.append(str(root / "usr/lib/python3/dist-packages"))
    qemu, cpu = SYSTEMS[arch]["qemu"]
    environment = {"PATH": "/usr/bin", "PYTHONPATH": ":".join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return [qemu, "-cpu", cpu, "-L", str(root), str(interpreter(root)), "-S"], environment
