"""The plate as two layers, the person and what is behind, so that a turned head does not bend the wall behind it.

Never decides where the person goes: it is given a field.  What the person uncovers is filled from around it.
"""

import cv2
import numpy as np

from retac_node.data import F32, U8
from retac_node.models.segmenter import BACKGROUND, Segmenter
from retac_node.ops.carry import sample
from retac_node.ops.guided import guided

EDGE = 0.012  # of the window: how far the outline found at low resolution may be from the plate's own edge
SURE = (0.15, 0.85)  # of the filtered outline: surely behind, surely the person
HALO = 0.011  # of the window: as far from the person the plate still has their fringe in it
RADIUS = 4  # pixels of half the resolution that a filled one is made from
MOVED = (0.4, 2.0)  # pixels between which the layers take over from the plate carried as one


def person(segmenter: Segmenter, plate: U8) -> F32:
    """Finds the person in a window (h, w, 3): (h, w) [0, 1], along the plate's own edges (He et al. 2010)."""
    rough = 1 - segmenter.classes(plate)[..., BACKGROUND]
    grey = cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    fine = guided(grey, np.ascontiguousarray(rough), max(1, round(EDGE * len(plate))))
    return np.clip((fine - SURE[0]) / (SURE[1] - SURE[0]), 0, 1).astype(np.float32)


def behind(plate: U8, alpha: F32, deep: float) -> F32:
    """Gives the plate (h, w, 3) with what lies behind the person: [0, 255], as far as `deep` pixels in from their outline.

    Lines go on behind them (Telea 2004), at half the resolution.
    """
    height, width = alpha.shape
    reach = max(1, round(HALO * height))
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    hole = (cv2.dilate(alpha, ellipse) > 0.05).astype(np.uint8)
    hole *= cv2.distanceTransform(hole, cv2.DIST_L2, 5) < 2.2 * (
        deep + reach
    )  # filled from both sides: the nearer half is right
    half = (-(-width // 2), -(-height // 2))
    small = cv2.resize(plate, half, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(small, cv2.resize(hole, half, interpolation=cv2.INTER_NEAREST), RADIUS, cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.0)[..., None]
    return (
        plate + (cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR) - plate.astype(np.float32)) * soft
    )


def apart(plate: U8, alpha: F32, field: F32, carried: U8) -> tuple[U8, F32]:
    """Lays the person, carried by a field (h, w, 2), over what is behind them, which stays.

    carried (h, w, 3): the plate carried by the field as one.  Gives the picture, and (h, w) [0, 1] what may differ from
    the plate.
    """
    there = sample(alpha, field)[..., None]
    distance = np.hypot(field[..., 0], field[..., 1])
    share = np.clip((distance - MOVED[0]) / (MOVED[1] - MOVED[0]), 0, 1)[..., None]
    laid = behind(plate, alpha, float(distance[alpha > 0.05].max(initial=0)))
    laid += (carried - laid) * there
    picture = carried + (laid - carried) * share
    touched = np.maximum(there[..., 0], alpha)
    wide = 2 * max(1, round(2 * HALO * len(plate))) + 1  # beyond what was filled
    soft = 0.15 * wide
    touched = cv2.GaussianBlur(cv2.dilate(touched, np.ones((wide, wide), np.uint8)), (0, 0), soft)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), touched
