"""Photographs and pages with several digits: found, ordered as one reads, each brought to the contract's pixels.

Needs OpenCV (the `scan` extra). Lighting is evened out by the paper's own brightness, ink is told from it by Otsu's
threshold (Otsu 1979), and connected ink is one object; its pixels then go the exact way of `preprocess.place`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError
from edgepress.base.extras import require

from ..contract.picture import Picture
from .fit import grey_picture, place
from .pictures import MOST_PIXELS, PictureFile, read_scaled

__all__ = ["Page", "find_objects", "read_page"]

_LARGEST = 1_000
"""Pixels of a page's longer side while objects are looked for."""


@dataclass(frozen=True, eq=False)
class Page:
    """What was found on one page, in reading order: from the top line down, each line from left to right."""

    images: NDArray[np.uint8]
    """Shape (n, *contract.shape): each object as the model's pixels."""
    boxes: NDArray[np.int64]
    """Shape (n, 4): left, top, right, bottom in the page's pixels; right and bottom lie outside."""


def read_page(file: PictureFile, contract: Picture, *, most_pixels: int = MOST_PIXELS) -> Page:
    """Find the objects on a page in a PNG or JPEG file; the boxes are in the file's own pixels, upright.

    Raises:
        InputError: As `read_scaled` and `find_objects`.
        MissingExtraError: Pillow or OpenCV is not installed.
    """
    pixels, scale = read_scaled(file, most_pixels=most_pixels)
    page = find_objects(pixels, contract)
    return Page(page.images, np.rint(page.boxes * scale).astype(np.int64))


def find_objects(picture: NDArray[np.uint8], contract: Picture) -> Page:
    """Find the objects on a page.

    Args:
        picture: uint8, (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA, of either polarity.
        contract: What the model was trained on; `fit` must be `mnist`.

    Raises:
        InputError: The contract takes whole pictures.
        MissingExtraError: OpenCV is not installed.
    """
    if contract.fit != "mnist":
        raise InputError(f"a contract with fit {contract.fit!r} takes whole pictures: use predict_files")
    cv2 = require("cv2", extra="scan")
    ink = _ink(cv2, grey_picture(picture))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((ink > 0).astype(np.uint8), connectivity=8)
    boxes = np.array([_box(stats[i]) for i in range(1, count)], np.int64).reshape(-1, 4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    groups = _groups(boxes, areas)
    found = []
    for group in groups:
        left, top = boxes[group, :2].min(axis=0)
        right, bottom = boxes[group, 2:].max(axis=0)
        own = np.isin(labels[top:bottom, left:right], np.array(group) + 1)
        pixels = place(np.where(own, ink[top:bottom, left:right], 0).astype(np.uint8), contract)
        found.append(((left, top, right, bottom), pixels))
    order = _reading_order(np.array([box for box, _ in found], np.int64).reshape(-1, 4))
    images = [_finished(found[i][1], contract) for i in order]
    shaped = np.stack(images) if images else np.empty((0, *contract.shape), np.uint8)
    return Page(shaped, np.array([found[i][0] for i in order], np.int64).reshape(-1, 4))


def _finished(pixels: NDArray[np.uint8], contract: Picture) -> NDArray[np.uint8]:
    pixels = 255 - pixels if contract.polarity == "dark-on-light" else pixels
    return pixels if contract.channels == 1 else np.repeat(pixels[..., None], 3, axis=2)


def _box(stats: Any) -> tuple[int, int, int, int]:
    left, top, width, height = (int(value) for value in stats[:4])
    return left, top, left + width, top + height


def _ink(cv2: Any, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Ink as 1 to 255 on paper of 0, with the lighting evened out."""
    if 2 * int(np.median(grey)) > int(grey.min()) + int(grey.max()):
        grey = 255 - grey
    side = max(grey.shape)
    # The paper's brightness, without the strokes: the lowest level around each pixel, smoothed over a wide window.
    window = max(3, side // 8) | 1
    scale = min(1.0, _LARGEST / side)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    narrow = max(3, int(window * scale)) | 1
    paper = cv2.blur(cv2.erode(cv2.medianBlur(small, 3), np.ones((narrow, narrow), np.uint8)), (narrow, narrow))
    paper = cv2.resize(paper, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    even = cv2.subtract(grey, paper)
    smooth = cv2.GaussianBlur(even, (3, 3), 0)
    level, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    strong = int(smooth.max())
    if strong - int(np.median(smooth)) < 24:
        return np.zeros_like(grey)
    # Edges below the threshold belong to the stroke as long as they touch it.
    core = (smooth > level).astype(np.uint8)
    near = cv2.dilate(core, np.ones((3, 3), np.uint8))
    full = max(1, int(np.percentile(even[core > 0], 75)))
    ink: NDArray[np.uint8] = np.minimum(255, even.astype(np.int64) * 255 // full).astype(np.uint8) * near
    return np.where(core > 0, np.maximum(ink, 1), np.where(2 * even.astype(np.int64) > level, ink, 0)).astype(np.uint8)


def _groups(boxes: NDArray[np.int64], areas: NDArray[Any]) -> list[list[int]]:
    """Strokes that make one object: the parts of a broken digit lie over each other. Specks are dropped."""
    if not len(boxes):
        return []
    heights = boxes[:, 3] - boxes[:, 1]
    sides = np.maximum(heights, boxes[:, 2] - boxes[:, 0])
    # The page's digits are alike in size, so the larger objects tell what a speck is.
    typical = float(np.percentile(sides, 90))
    kept = [i for i in range(len(boxes)) if sides[i] >= typical / 4 and areas[i] >= typical**2 / 400]
    groups: list[list[int]] = []
    for i in sorted(kept, key=lambda i: -int(sides[i])):
        for group in groups:
            if _belongs(boxes[i], boxes[group[0]]):
                group.append(i)
                break
        else:
            groups.append([i])
    return [group for group in groups if sides[group[0]] >= typical * 0.4]


def _belongs(part: NDArray[np.int64], whole: NDArray[np.int64]) -> bool:
    """A smaller part that shares most of its width with the whole and is near it, such as the bar of a 5."""
    shared = min(part[2], whole[2]) - max(part[0], whole[0])
    apart = max(part[1], whole[1]) - min(part[3], whole[3])
    height = whole[3] - whole[1]
    smaller = (part[3] - part[1]) <= 0.6 * height
    return bool(smaller and shared >= 0.5 * (part[2] - part[0]) and apart <= 0.15 * height)


def _reading_order(boxes: NDArray[np.int64]) -> list[int]:
    """Lines are objects whose middle lies within the height of the line so far."""
    lines: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=lambda i: int(boxes[i, 1])):
        middle = (boxes[i, 1] + boxes[i, 3]) / 2
        for line in lines:
            if np.median(boxes[line, 1]) <= middle <= np.median(boxes[line, 3]):
                line.append(i)
                break
        else:
            lines.append([i])
    return [i for line in lines for i in sorted(line, key=lambda i: int(boxes[i, 0]))]
