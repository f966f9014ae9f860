"""What `predict(..., unknown=True)` turns away: digits, and pictures that are none.

    python -m edgepress.benchmarks.studies.unknown bundle

The threshold is the bundle's own; export chose it on held-back training images so that one in fifty is turned away. No
picture here had a part in that. Letters and signs are set in the fonts that Matplotlib ships, and found, scaled and
centred as a scanned page's would be. Prints a Markdown table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgepress.base.tables import markdown_table
from edgepress.data import Dataset, load_dataset
from edgepress.runtime import Picture, load
from edgepress.runtime.preprocess.fit import fit_picture

__all__ = ["measure_unknown"]

_COUNT = 2_000
_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZabcdefhkmnprtuvwxy"
"""Without those that are digits too: I, O, S, g, i, j, l, o, q, s, z."""
_SIGNS = "★♥●■▲+%&@#?€"
_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSansMono")


def measure_unknown(bundle: Path, data: Dataset) -> dict[str, tuple[int, float]]:
    """How many pictures of each kind there were, and the share that was said to be unknown.

    Args:
        bundle: A bundle of a classifier of 28 x 28 digits, light on dark.
        data: Its data set; the test images are used.
    """
    with load(bundle) as model:
        contract = model.preprocessing
        assert contract is not None
        indices = model.predict(data.x_test, unknown=True).indices
        wrong = model.predict(data.x_test).indices != data.y_test
        shares = {
            "digits of the test set": (len(indices), float(np.mean(indices < 0))),
            "digits that the model mistakes for others": (int(wrong.sum()), float(np.mean(indices[wrong] < 0))),
        }
        for kind, pictures in _no_digits(data.x_test, contract):
            indices = model.predict(pictures, unknown=True).indices
            shares[kind] = (len(indices), float(np.mean(indices < 0)))
    return shares


def _no_digits(digits: NDArray[np.uint8], contract: Picture) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    rng = np.random.default_rng(0)
    some = digits[:_COUNT]
    yield "blank paper with grain", rng.integers(0, 20, some.shape, np.uint8)
    yield "noise", rng.integers(0, 256, some.shape, np.uint8)
    pixels = rng.permuted(some.reshape(len(some), -1), axis=1)
    yield "digits with their pixels shuffled", pixels.reshape(some.shape)
    yield "upper halves of digits", np.concatenate([some[:, :14], np.zeros_like(some[:, 14:])], axis=1)
    yield "two digits, one over the other", np.maximum(some, digits[-len(some) :])
    yield "printed letters", _printed(_LETTERS, contract)
    yield "printed signs", _printed(_SIGNS, contract)


def _printed(characters: str, contract: Picture) -> NDArray[np.uint8]:
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    pictures = []
    for name in _FONTS:
        font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 60)
        for character in characters:
            page = Image.new("L", (120, 120), 255)
            ImageDraw.Draw(page).text((30, 20), character, fill=0, font=font)
            pictures.append(fit_picture(np.asarray(page), contract))
    return np.stack(pictures)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", default="mnist", help="as for edgepress train")
    options = parser.parse_args()
    found = measure_unknown(options.bundle, load_dataset(options.data))
    rows = [(kind, f"{count:,}", f"{share:.1%}") for kind, (count, share) in found.items()]
    print("\n".join(markdown_table(("pictures", "number", "said to be unknown"), rows, columns="lr")))


if __name__ == "__main__":
    _main()
