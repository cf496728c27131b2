"""Lets the edges of a rough mask fall on those of a picture (He et al. 2010).  Never knows what the mask is of."""

import cv2
import numpy as np

from retac_node.data import F32

FAITH = 4e-4  # variance of [0, 1] grey below which the picture has no edge to follow


def guided(guide: F32, picture: F32, radius: int) -> F32:
    """Filters a picture (h, w) so that its edges fall on those of the guide (h, w)."""
    size = (2 * radius + 1, 2 * radius + 1)
    mean_guide, mean = cv2.blur(guide, size), cv2.blur(picture, size)
    slope = (cv2.blur(guide * picture, size) - mean_guide * mean) / (
        cv2.blur(guide * guide, size) - mean_guide * mean_guide + FAITH
    )
    return np.asarray(cv2.blur(slope, size) * guide + cv2.blur(mean - slope * mean_guide, size), np.float32)
