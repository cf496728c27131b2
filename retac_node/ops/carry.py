"""Carries pixels with the head: a dense backward warp driven by a mesh and relaxed to zero away from it.

A picture of the head in one shape and pose becomes a picture of it in another.  It never invents pixels: what the source
did not show is stretched from its surroundings.
"""

import functools

import cv2
import numpy as np

from retac_node.data import F32, U8
from retac_node.ops.raster import Raster, interpolate

COARSE = 4  # the field off the mesh is smooth: it is filled at a quarter of the resolution


def displacement(raster: Raster, triangles: np.ndarray, source: F32, reach: float) -> F32:
    """Gives, for each pixel of the target, how far away in the source its colour lies.

    raster: the mesh drawn at its target positions; source (V, 2): where the same vertices lie in the source, pixels of
    the same window; reach: pixels over which the field dies out beyond the mesh.  Returns (h, w, 2) float32, pixels.
    """
    height, width = raster.triangle.shape
    drawn = (raster.triangle >= 0).astype(np.float32)  # (h, w)
    field = interpolate(raster, triangles, source) - centres(height, width)  # (h, w, 2)
    field *= drawn[..., None]
    beyond = relaxed(field, drawn, reach)
    # Blend over the silhouette, so that no step is left where mesh and relaxed field meet.
    inside = cv2.GaussianBlur(cv2.erode(drawn, np.ones((3, 3), np.uint8)), (0, 0), 1.0)[..., None] * drawn[..., None]
    return field * inside + beyond * (1 - inside)


def relaxed(field: F32, drawn: F32, reach: float) -> F32:
    """Extends a field (h, w, 2), known where drawn (h, w) is 1, smoothly over the rest and down to zero at `reach` pixels."""
    height, width = drawn.shape
    small = (-(-width // COARSE), -(-height // COARSE))
    weight = cv2.resize(drawn, small, interpolation=cv2.INTER_AREA)
    filled = push_pull(cv2.resize(field, small, interpolation=cv2.INTER_AREA), weight)
    away = cv2.distanceTransform((weight < 0.5).astype(np.uint8), cv2.DIST_L2, 5) * COARSE  # pixels
    fade = np.clip(1 - away / reach, 0, 1)
    filled = cv2.GaussianBlur(filled, (0, 0), 1.5) * (fade * fade * (3 - 2 * fade))[..., None]
    return cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)


def push_pull(weighted: F32, weight: F32) -> F32:
    """Fills the holes of an image from ever coarser versions of itself (Gortler et al. 1996).

    weighted (h, w, c) is the image times its weight (h, w) in [0, 1].
    """
    if min(weight.shape) <= 2:
        mean = weighted.sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return np.broadcast_to(mean, weighted.shape).astype(np.float32)
    half = (-(-weight.shape[1] // 2), -(-weight.shape[0] // 2))
    coarse = push_pull(
        cv2.resize(weighted, half, interpolation=cv2.INTER_AREA), cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    )
    up = cv2.resize(coarse, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    known = np.minimum(weight, 1)[..., None]
    return weighted + up * (1 - known)


def sample(picture: U8 | F32, field: F32, corner: tuple[float, float] = (0.0, 0.0)) -> U8 | F32:
    """Pulls picture (H, W, c) through a displacement (h, w, 2) whose window starts at `corner` (x, y) of the picture."""
    at = field + (
        centres(*field.shape[:2]) + np.array(corner, np.float32) - np.float32(0.5)
    )  # OpenCV counts from pixel centres
    return cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@functools.lru_cache(maxsize=8)
def centres(height: int, width: int) -> F32:
    """Gives the (h, w, 2) x, y of the pixels' centres; shared between calls, so not to be written to."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    grid = np.stack([columns, rows], -1)
    grid.flags.writeable = False
    return grid
