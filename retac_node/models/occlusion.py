"""What stands in front of the face: where the solved head is drawn but the segmenter sees no face.

Beards and fringes are hair and belong to the person; hands, microphones and cloth do not.  Without the segmenter's model
file nothing is known to be in front, and the caller says so.
"""

import cv2
import numpy as np

from retac_node.data import F32, U8
from retac_node.models.puppet import Rig
from retac_node.models.segmenter import ACCESSORIES, BACKGROUND, BODY, CLOTHES, Segmenter
from retac_node.ops.raster import rasterise

FOREIGN = (BACKGROUND, BODY, CLOTHES, ACCESSORIES)
INSIDE = 0.03  # of the crop: the solved outline is not trusted closer than this
COARSE = 4  # a soft mask needs no more than a quarter of the resolution
CERTAIN = (0.5, 0.8)  # probability from which a pixel starts to be, and surely is, something else


def in_front(segmenter: Segmenter, rig: Rig, crop: U8, at_plate: F32) -> F32:
    """Finds what covers the face in a window (h, w, 3): (h / 4, w / 4) u8, 255 where something does."""
    height, width = crop.shape[:2]
    face = (rasterise(at_plate, rig.triangles, height, width).triangle >= 0).astype(np.uint8)
    reach = max(1, round(INSIDE * height))
    inside = cv2.erode(face, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    other = segmenter.classes(crop)[..., FOREIGN].sum(-1)
    sure = np.clip((other - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0, 1) * inside
    soft = cv2.GaussianBlur(cv2.dilate(sure.astype(np.float32), np.ones((5, 5), np.uint8)), (0, 0), 0.006 * height)
    small = cv2.resize(soft, (width // COARSE, height // COARSE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).astype(np.uint8)


def full_size(hidden: U8, height: int, width: int) -> F32:
    """Brings what `in_front` gave to the window's size: (h, w) in [0, 1]."""
    return cv2.resize(hidden, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


def share_within(hidden: U8, lips: F32) -> float:
    """Gives how much of the box around the lips (n, 2), crop pixels, half as large again, is hidden: [0, 1]."""
    low, high = lips.min(0) / COARSE, lips.max(0) / COARSE
    middle, half = (low + high) / 2, 0.75 * (high - low)
    left, top = np.maximum(np.floor(middle - half), 0).astype(int)
    right, bottom = np.ceil(middle + half).astype(int)
    box = hidden[top:bottom, left:right]
    return float(box.mean()) / 255 if box.size else 0.0
