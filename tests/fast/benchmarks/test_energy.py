"""Energy from counters as Linux shows them, written by the test."""

import time

import pytest

from edgepress.benchmarks.measure.energy import Counter, measure_energies, measure_energy
from edgepress.benchmarks.measure.pmic import PmicCounter, watts_of


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


# As a Raspberry Pi 5 prints it, the core at full load (published with RPi5-power).
PMIC = """ 3V7_WL_SW_A current(0)=0.00000000A
   3V3_SYS_A current(1)=0.06245952A
   1V8_SYS_A current(2)=0.16102850A
  DDR_VDD2_A current(3)=0.00780744A
  DDR_VDDQ_A current(4)=0.00000000A
   1V1_SYS_A current(5)=0.17566740A
    0V8_SW_A current(6)=0.32791250A
  VDD_CORE_A current(7)=10.87674000A
   0V8_AON_A current(16)=0.00579975A
 3V7_WL_SW_V volt(8)=3.79999600V
   3V3_SYS_V volt(9)=3.30632200V
   1V8_SYS_V volt(10)=1.79828900V
  DDR_VDD2_V volt(11)=1.10292900V
  DDR_VDDQ_V volt(12)=0.60476130V
   1V1_SYS_V volt(13)=1.10439400V
    0V8_SW_V volt(14)=0.80256330V
  VDD_CORE_V volt(15)=0.89745940V
   0V8_AON_V volt(19)=0.79736190V
     EXT5V_V volt(24)=5.06788000V
      BATT_V volt(25)=3.01110800V
"""


def test_rails_of_a_power_chip_are_paired_by_name():
    rails = (0.06245952 * 3.306322, 0.1610285 * 1.798289, 0.00780744 * 1.102929, 0.1756674 * 1.104394)
    rails += (0.3279125 * 0.8025633, 10.87674 * 0.8974594, 0.00579975 * 0.7973619)
    assert watts_of(PMIC) == pytest.approx(sum(rails))
    assert watts_of("     EXT5V_V volt(24)=5.15040000V") is None
    assert watts_of('error=1 error_msg="Command not registered"') is None


def test_power_becomes_energy():
    counter = PmicCounter(lambda: PMIC)
    started, before = time.monotonic(), counter.read()
    time.sleep(0.3)
    spent, passed = Counter.between(before, counter.read()), time.monotonic() - started
    assert counter.reason is None
    assert spent / 1e6 == pytest.approx(watts_of(PMIC) * passed, rel=0.1)
    assert "no power chip" in PmicCounter(lambda: "").reason
