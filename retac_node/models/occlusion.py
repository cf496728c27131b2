"""What stands in front of the face: where the solved head is drawn but the segmenter sees no face.

Beards and fringes are hair and belong to the person; hands, microphones and cloth do not.  Without the segmenter's model
file nothing is known to be in front, and the caller says so.
"""

import cv2
import numpy as np

from retac_node.data import F32, U8
from retac_node.models.puppet import Rig
from retac_node.models.segmenter import ACCESSORIES, BACKGROUND, BODY, CLOTHES, Segmenter
from retac_node.ops.guided import guided
from retac_node.ops.raster import interpolate
from retac_node.ops.rasterisers import one_frame

FOREIGN = (BACKGROUND, BODY, CLOTHES, ACCESSORIES)
LIMBS = (BODY, CLOTHES, ACCESSORIES)  # what may go on beyond the face
GROWTH = 0.12  # of the crop: how far it is followed there
EDGE = 0.01  # of the crop: how far the mask may be from the plate's own edge
INSIDE = 0.03  # of the crop: the solved outline is not trusted closer than this
COARSE = 4  # a soft mask needs no more than a quarter of the resolution
BARE = 0.05  # [0, 1]: less than that is in front of nothing
MOST_COVERED = 0.2  # of the face that must be in sight for the painting to be compared with it
BLUR = 0.004  # of the crop: finer than that the painting is not right
QUIET = 2.0  # of 255: differences that mean nothing
LIKE, UNLIKE = 2.0, 5.0  # the face's usual difference from its painting, times: the same, and another thing
DISPUTED = 0.015  # of the crop: how far from the mask's edge the painting is heard
CERTAIN = (0.5, 0.8)  # probability from which a pixel starts to be, and surely is, something else


def in_front(segmenter: Segmenter, rig: Rig, crop: U8, at_plate: F32) -> F32:
    """Finds what covers the face in a window (h, w, 3): (h / 4, w / 4) u8, 255 where something does."""
    height, width = crop.shape[:2]
    raster = one_frame(rig.rasterise, at_plate, rig.triangles, height, width)
    face = (interpolate(raster, rig.triangles, rig.exact[:, None])[..., 0] > 0.5).astype(np.uint8)  # a hat is hair's
    reach = max(1, round(INSIDE * height))
    inside = cv2.erode(face, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    found = segmenter.classes(crop)
    sure = np.clip((found[..., FOREIGN].sum(-1) - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0, 1)
    deep = sure * cv2.erode(inside, np.ones((3, 3), np.uint8), iterations=max(1, reach // 2))
    speck = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (reach // 3) + 1, 2 * (reach // 3) + 1))
    before = joined_up(cv2.morphologyEx(deep, cv2.MORPH_OPEN, speck), sure * inside, sure * found[..., LIMBS].sum(-1))
    soft = cv2.GaussianBlur(cv2.dilate(before, np.ones((5, 5), np.uint8)), (0, 0), 0.006 * height)
    small = cv2.resize(soft, (width // COARSE, height // COARSE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).astype(np.uint8)


def joined_up(deep: F32, inside: F32, beyond: F32) -> F32:
    """Keeps what covers the face (h, w) where it reaches deep into it, and follows it beyond the face's outline.

    A sliver along the outline is the neck behind an imperfect chin; a hand goes on below the chin, and is told from the
    neck by being joined to what covers the face.
    """
    height, width = deep.shape
    if not deep.any():
        return np.zeros_like(deep)
    size = (-(-width // COARSE), -(-height // COARSE))
    grown, near, far = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (deep, inside, beyond))
    for path, steps in ((near, max(size)), (np.maximum(near, far), round(GROWTH * size[1]))):
        for _ in range(steps):
            grown = np.minimum(cv2.dilate(grown, np.ones((3, 3), np.uint8)), path)
    return cv2.resize(grown, (width, height), interpolation=cv2.INTER_LINEAR)


def held(hidden: U8, crop: U8) -> F32:
    """Brings what `in_front` gave to the size of its window (h, w, 3), along the plate's own edges: (h, w) [0, 1]."""
    height, width = crop.shape[:2]
    rough = cv2.resize(hidden, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    if not hidden.any():
        return rough
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    fine = np.clip((guided(grey, rough, max(1, round(EDGE * height))) - 0.1) / 0.6, 0, 1)
    return np.asarray(fine, np.float32)


def disputed(before: F32, crop: U8, painted: F32, there: F32) -> F32:
    """Adds to what is taken to be in front of the face (h, w) where the plate is far from the painted head.

    crop (h, w, 3), painted (h, w, 3) RGB [0, 255] at the plate's own pose, there (h, w) [0, 1] how far it covers a pixel.
    Only near the mask's edge: further away a shadow or a tooth that the painting lacks would be taken for a hand.  And
    only what is strange counts: a hand of the face's own colour agrees with the painting and is a hand all the same.
    """
    height = len(crop)
    bare = (before < BARE) * there  # the face in sight
    if bare.sum() < MOST_COVERED * there.sum():
        return before
    plate = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), BLUR * height)
    drawn = cv2.GaussianBlur(painted, (0, 0), BLUR * height)
    tint = (plate * bare[..., None]).sum((0, 1)) / ((drawn * bare[..., None]).sum((0, 1)) + 1e-6)  # (3,)
    off = np.abs(plate - drawn * tint).max(-1)
    usual = float(np.median(off[bare > 0.5]))
    strange = np.clip((off / (usual + QUIET) - LIKE) / (UNLIKE - LIKE), 0, 1)
    reach = 2 * max(1, round(DISPUTED * height)) + 1
    ring = np.ones((reach, reach), np.uint8)
    near = cv2.GaussianBlur(cv2.dilate(before, ring), (0, 0), reach / 4)
    return np.maximum(before, near * there * strange).astype(np.float32)


def share_within(hidden: U8, lips: F32) -> float:
    """Gives how much of the box around the lips (n, 2), crop pixels, half as large again, is hidden: [0, 1]."""
    low, high = lips.min(0) / COARSE, lips.max(0) / COARSE
    middle, half = (low + high) / 2, 0.75 * (high - low)
    left, top = np.maximum(np.floor(middle - half), 0).astype(int)
    right, bottom = np.ceil(middle + half).astype(int)
    box = hidden[top:bottom, left:right]
    return float(box.mean()) / 255 if box.size else 0.0
