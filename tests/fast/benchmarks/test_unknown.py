"""What is said to be unknown, by kind of picture."""

import json

import pytest

from edgepress.benchmarks.studies.unknown import measure_unknown


@pytest.fixture
def with_threshold(bundle):
    """Sets the threshold of the bundle."""

    def change(value):
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["task"]["unknown_threshold"] = value
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        return bundle

    return change


def test_a_threshold_turns_strangers_away_before_digits(with_threshold, dataset):
    shares = measure_unknown(with_threshold(0.6), dataset)
    digits, mistaken, *strangers = shares.values()
    assert digits[0] == 2_000
    assert 0 < digits[1] < mistaken[1]
    assert shares["blank paper with grain"][1] == 1
    # Two digits at once deceive the small model.
    assert sum(count > 0 and share > digits[1] for count, share in strangers) >= len(strangers) - 1


def test_no_threshold_is_low_enough_to_turn_nobody_away(with_threshold, dataset):
    assert {share for _, share in measure_unknown(with_threshold(0.0), dataset).values()} == {0.0}
