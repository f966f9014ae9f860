"""What is made of measured times: warm-up, ratios, quantiles."""

import numpy as np
import pytest

from edgepress.benchmarks.measure.speed import Samples, find_warmup, summarize
from edgepress.benchmarks.values import Memory


def samples(rng, us, *, repetitions=6, rounds=5, calls=400, drift=None):
    row = Samples()
    for repetition in range(repetitions):
        scale = 1 if drift is None else drift[repetition]
        row.latency_ns.append([1000 * us * scale * (1 + 0.02 * rng.random(calls)) for _ in range(rounds)])
        row.predict_ns.append(2000 * us)
        row.cost_ns.append(70)
        row.warmup_calls.append(3)
        row.cold_start_us.append({"python": 1.0, "import": 2.0, "load": 3.0, "first": 4.0})
        row.memory.append({"peak_bytes": 2_000_000 + repetition, "steady_bytes": None})
    row.batch_ns = {256: [256_000.0] * repetitions}
    return row


def test_warmup_is_where_the_times_settle():
    assert find_warmup([100.0] * 12 + [10.0] * 200) in range(8, 13)
    assert find_warmup([10.0] * 200) == 0


def test_a_slow_minute_slows_both_sides():
    rng = np.random.default_rng(0)
    drift = [1, 3, 1, 2, 1, 1]
    facts = summarize(samples(rng, 10, drift=drift), samples(rng, 40, drift=drift))
    assert facts.latency_ratio.value == pytest.approx(0.25, rel=0.01)
    low, high = facts.latency_ratio.interval
    assert 0.24 < low < 0.25 < high < 0.26


def test_a_process_that_differs_widens_the_interval():
    rng = np.random.default_rng(0)
    steady = summarize(samples(rng, 10), samples(rng, 40)).latency_ratio.interval
    uneven = summarize(samples(rng, 10, drift=[1, 1.2, 1, 0.9, 1, 1.1]), samples(rng, 40)).latency_ratio.interval
    assert uneven[1] - uneven[0] > 10 * (steady[1] - steady[0])


def test_one_repetition_has_no_interval():
    rng = np.random.default_rng(0)
    facts = summarize(samples(rng, 10, repetitions=1), samples(rng, 40, repetitions=1))
    assert facts.latency_ratio.interval is None


def test_a_quantile_needs_enough_calls():
    rng = np.random.default_rng(0)
    assert summarize(samples(rng, 10), samples(rng, 10)).latency_us.p99_9 is not None
    assert summarize(samples(rng, 10, calls=50), samples(rng, 10, calls=50)).latency_us.p99_9 is None


def test_the_harness_states_its_own_share():
    rng = np.random.default_rng(0)
    facts = summarize(samples(rng, 10), samples(rng, 10))
    assert facts.harness_cost_us == pytest.approx(0.07)
    assert facts.harness_share == pytest.approx(0.007, rel=0.05)
    assert facts.memory_bytes == Memory(peak=2_000_002, steady=None)
    assert facts.throughput_per_s == pytest.approx(1e6)
