"""What the tests of the documentation's snippets share."""

import numpy as np
from kinds import WINE, wine_rows

from edgepress.base.errors import InputError
from edgepress.runtime.contract.features import MISSING


def greys():
    """Every grey there is, and then some: uint8 (784,)."""
    rest = np.random.default_rng(0).integers(0, 256, 784 - 256, np.uint8)
    return np.concatenate([np.arange(256, dtype=np.uint8), rest])


def assert_same(answer, row, most=1e-6):
    """A snippet's answer and the runtime's."""
    for name, value in answer.items():
        wanted = row["y"] if name == "output" else row[name]
        if name == "values":
            assert list(value) == list(wanted)
            value, wanted = list(value.values()), list(wanted.values())
        if name in ("label", "labels", "normal"):
            assert value == wanted
        else:
            np.testing.assert_allclose(value, wanted, rtol=most, atol=most)


# What a row may hold in place of good values, and whether each is refused.
ODD_ROWS = [
    *({"pressure": text} for text in (*sorted(MISSING), " NaN ", None)),
    *({"alcohol": text} for text in (" 12.5 ", "1e1", "True", "false", "0x10", "inf", "x", "", None, "12,5")),
    *({"sweet": text} for text in ("no", "No", "1", "", "blue")),
    {"more": "1"},
]


def odd_rows():
    """Rows that the runtime takes, those that it refuses, and one without a column beside an unknown name."""
    (good,) = wine_rows(1)
    rows = [good | change for change in ODD_ROWS]
    rows += [{name: value for name, value in good.items() if name != "pressure"} | extra for extra in ({}, {"x": "1"})]
    taken, refused = [], []
    for row in rows:
        try:
            WINE.numbers([row])
        except InputError:
            refused.append(row)
        else:
            taken.append(row)
    assert min(len(taken), len(refused)) > 8
    return taken, refused
