"""What a machine tells about itself, and when its latencies compare with nothing."""

import json
import os

import pytest

from edgepress.benchmarks.measure import conditions as conditions_module
from edgepress.benchmarks.measure.conditions import changes, conditions
from edgepress.runtime import InputError, machine
from edgepress.runtime.machine import describe_machine, machine_facts, usable_cores

QUIET = {
    "governor": "performance", "frequency_khz": 1_500_000, "temperature_c": 50.0, "throttled": "throttled=0x0",
    "load": 2.1, "cpu_s": {"total": 1_000, "busy": 500, "stolen": 0}, "own_s": 10,
}  # fmt: skip
LATER = QUIET | {"cpu_s": {"total": 1_100, "busy": 560, "stolen": 0}, "own_s": 70, "load": 1.2}


@pytest.fixture
def raspberry(tmp_path, monkeypatch):
    """/proc and /sys of a Raspberry Pi 4."""
    files = {
        "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n",
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\x00",
        "proc/meminfo": "MemTotal:        3884304 kB\n",
        "proc/stat": "cpu  10 0 10 70 5 0 0 5 0 0\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for module in (machine, conditions_module):
        monkeypatch.setattr(module, "_PROC", tmp_path / "proc")
        monkeypatch.setattr(module, "_SYS", tmp_path / "sys")


@pytest.mark.usefixtures("raspberry")
def test_a_raspberry_pi():
    facts = describe_machine()
    assert facts["model"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts["features"] == ["asimd"]
    assert facts["memory_bytes"] == 3_884_304 * 1024
    found = conditions()
    assert found["governor"] == "ondemand"
    assert found["frequency_khz"] == 1_500_000
    assert found["temperature_c"] == 48.312
    assert found["throttled"] == "50005"
    ticks = os.sysconf("SC_CLK_TCK")
    assert found["cpu_s"] == pytest.approx({"total": 100 / ticks, "busy": 20 / ticks, "stolen": 5 / ticks})


def test_a_machine_that_tells_nothing(tmp_path, monkeypatch):
    for module in (machine, conditions_module):
        monkeypatch.setattr(module, "_PROC", tmp_path)
        monkeypatch.setattr(module, "_SYS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = conditions()
    assert [key for key, value in found.items() if value is not None] == ["load", "own_s"]
    assert changes(found, found) == []
    json.dumps(describe_machine(), allow_nan=False)


def test_a_quiet_machine_is_comparable():
    assert changes(QUIET, LATER) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"governor": "powersave"}, "governor changed from performance to powersave"),
        ({}, {"throttled": "throttled=0x50005"}, "throttled"),
        ({}, {"temperature_c": 85.0}, "reached 85 C"),
        ({}, {"cpu_s": {"total": 1_100, "busy": 595, "stolen": 0}}, "other programs kept"),
        ({}, {"cpu_s": {"total": 1_100, "busy": 555, "stolen": 10}}, "took 10 %"),
    ],
)
def test_what_makes_latencies_compare_with_nothing(before, after, words):
    (reason,) = changes(QUIET | before, LATER | after)
    assert words in reason


def test_doctor_and_the_report_say_the_same():
    facts = machine_facts()
    assert {key: facts[key] for key in describe_machine()} == describe_machine()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 4),
        ({"cpu.max": "max 100000"}, 4),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "800000 100000"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_cores_are_those_that_this_process_may_use(tmp_path, monkeypatch, files, cores):
    monkeypatch.setattr(machine, "_SYS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for name, text in files.items():
        path = tmp_path / "fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert usable_cores() == cores
    assert (describe_machine()["cores"], describe_machine()["machine_cores"]) == (cores, 8)


def test_a_busy_machine_is_waited_for_and_named_once(monkeypatch, caplog):
    """Two looks find another program at work, the third finds it gone."""
    seen = iter(range(0, 100, 10))
    busy = iter([0, 8, 8, 16, 16, 16, 16])

    def look():
        total, at_work = next(seen), next(busy)
        cpu = {"total": float(total), "busy": float(at_work), "stolen": 0.0}
        return {key: None for key in ("governor", "throttled", "temperature_c")} | {"cpu_s": cpu, "own_s": 0.0}

    monkeypatch.setattr(conditions_module, "conditions", look)
    slept = []
    with caplog.at_level("INFO", logger="edgepress"):
        assert conditions_module.wait_until_idle(30, sleep=slept.append) == 2
    assert slept == [1, 1, 1]
    assert [record.message for record in caplog.records if "waiting up to 30 s" in record.message] == [
        caplog.messages[0]
    ]
    assert conditions_module.wait_until_idle(0, sleep=slept.append) == 0
    assert len(slept) == 3


def test_how_long_a_busy_machine_is_waited_for_may_be_stated(monkeypatch):
    monkeypatch.delenv("EDGEPRESS_WAIT_S")
    assert conditions_module.patience(60) == 60
    monkeypatch.setenv("EDGEPRESS_WAIT_S", "2.5")
    assert conditions_module.patience(60) == 2.5
    monkeypatch.setenv("EDGEPRESS_WAIT_S", "soon")
    with pytest.raises(InputError, match="seconds are allowed"):
        conditions_module.patience(60)
