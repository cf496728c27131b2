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
CERTAIN = (0.5, 0.8)  # probability from which a pixel starts to be, and surely is, something else


def in_front(segmenter: Segmenter, rig: Rig, crop: U8, at_plate: F32) -> F32:
    """Gives (h, w) in [0, 1]: 1 where something covers the face in this window (h, w, 3)."""
    height, width = crop.shape[:2]
    face = (rasterise(at_plate, rig.triangles, height, width).triangle >= 0).astype(np.uint8)
    reach = max(1, round(INSIDE * height))
    inside = cv2.erode(face, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    other = segmenter.classes(crop)[..., FOREIGN].sum(-1)
    sure = np.clip((other - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0, 1) * inside
    return cv2.GaussianBlur(cv2.dilate(sure.astype(np.float32), np.ones((5, 5), np.uint8)), (0, 0), 0.006 * height)
