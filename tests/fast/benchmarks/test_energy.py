"""Energy from counters as Linux shows them, written by the test."""

import time

import pytest

from edgepress.benchmarks.measure.energy import Counter, measure_energies, measure_energy


@pytest.fixture
def powercap(tmp_path):
    for zone in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "energy_uj").write_text("1000\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("9999\n")
    return tmp_path


def spend(powercap, microjoules):
    for zone in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        file = powercap / zone / "energy_uj"
        file.write_text(str((int(file.read_text()) + microjoules) % 10_000))


def test_packages_are_added_and_parts_are_not_counted_twice(powercap):
    counter = Counter(powercap)
    before = counter.read()
    spend(powercap, 500)
    assert counter.reason is None
    assert counter.between(before, counter.read()) == 1000


def test_a_counter_that_starts_over(powercap):
    counter = Counter(powercap)
    before = counter.read()
    spend(powercap, 9_500)
    assert counter.between(before, counter.read()) == 19_000


def test_energy_of_an_image(powercap):
    def work():
        spend(powercap, 2_000)
        time.sleep(0.01)
        return 100

    energy = measure_energy(Counter(powercap), work, idle_s=0.01)
    assert energy.per_image_uj == 40
    assert energy.above_idle_uj == 40


def test_idling_is_told_apart(powercap):
    def sleep(seconds):
        time.sleep(seconds)
        spend(powercap, 100)

    def work():
        sleep(1)
        return 10

    energy = measure_energy(Counter(powercap), work, sleep=sleep, idle_s=1)
    assert energy.per_image_uj == 20
    # 0 but for what the two sleeps overshoot.
    assert abs(energy.above_idle_uj) < 4


def test_no_counter_no_figure(tmp_path):
    assert "no RAPL" in Counter(tmp_path / "none").reason
    found = measure_energies([], tmp_path, Counter(tmp_path))
    assert found.of(0) is None
    assert "no RAPL" in found.reason
