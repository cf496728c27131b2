"""Gathers a mesh's texture from views of it: what a surface looks like without its light.  Never draws a mesh.

Texels are laid out once, by drawing the mesh in texture space.  Each view lends the texels that it sees, weighed by how
squarely it sees them; what disagrees with the rest (a hand, hair) counts less; what nobody saw comes from a prior.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from retac_node.data import F32, U8
from retac_node.ops.carry import push_pull
from retac_node.ops.raster import Raster, interpolate, rasterise

BEHIND = 0.004  # metres that a texel may lie behind the z-buffer and still count as seen
GRAZING = 0.3  # cosine below which a view says nothing
AGREEMENT = 0.08  # [0, 1] RGB by which views of one texel differ without being suspect
ENOUGH = 0.1  # weight of views from which on the prior has no say
RATIO = 3.0  # how far the surface may be from its prior, either way
ROUNDS = 2  # of leaving out what disagrees
THREADS = 2


@dataclass(frozen=True)
class View:
    """One picture and the mesh in it."""

    picture: U8  # (h, w, 3)
    at: F32  # (V, 3) pixels and metres of depth
    facing: F32  # (V,) cosine between normal and the way to the camera
    shading: F32  # (V, 3) what the light does to albedo 1, RGB; well above 0
    trust: float  # 1 for an ordinary view


def gather(
    views: Sequence[View], uv: F32, triangles: np.ndarray, painted: np.ndarray, prior: F32, side: int
) -> tuple[U8, U8]:
    """Gives the albedo (side, side, 3) and how well it is known (side, side), both u8.

    uv (V, 2) in [0, 1]; painted (F,) marks the triangles that are read off the views; prior (V, 3) is the albedo that
    holds on the others, and that guides the filling of what no view shows.
    """
    sheet = layout(uv, triangles, side)
    wanted = (sheet.triangle >= 0) & painted[sheet.triangle]
    with ThreadPoolExecutor(THREADS) as pool:
        pairs = list(pool.map(lambda view: unlit(view, sheet, triangles, wanted), views))
    albedo, weight = agreed(np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs]))
    known = np.zeros((side, side), np.float32)
    known[wanted] = np.minimum(weight / ENOUGH, 1)
    laid = (sheet.triangle >= 0).astype(np.float32)
    guess = np.maximum(push_pull(interpolate(sheet, triangles, prior), laid), 0.02)  # (side, side, 3)
    ratio = np.ones((side, side, 3), np.float32)
    ratio[wanted] = np.clip(albedo / guess[wanted], 1 / RATIO, RATIO)
    held = np.where(wanted, known, laid)  # places that are not read off the views keep their prior
    filled = guess * push_pull(ratio * held[..., None], held)
    return as_bytes(filled), as_bytes(known)


def layout(uv: F32, triangles: np.ndarray, side: int) -> Raster:
    """Draws the mesh in texture space: which triangle each texel belongs to, and where in it."""
    flat = np.concatenate([uv * side, np.ones((len(uv), 1))], 1).astype(np.float32)
    return rasterise(flat, triangles.astype(np.int32), side, side)


def unlit(view: View, sheet: Raster, triangles: np.ndarray, wanted: np.ndarray) -> tuple[F32, F32]:
    """Reads K wanted texels off one view: albedo (K, 3) and weight (K,), 0 where the view does not show them."""
    values = np.concatenate([view.at, view.facing[:, None], view.shading], 1)
    place = interpolate(sheet, triangles, values)  # (side, side, 7)
    colour = cv2.remap(view.picture, place[..., 0] - 0.5, place[..., 1] - 0.5, cv2.INTER_LINEAR)[wanted]
    x, y, z, facing = place[wanted][:, :4].T
    height, width = view.picture.shape[:2]
    nearest = rasterise(view.at, triangles, height, width).depth
    inside = (x >= 1) & (x < width - 1) & (y >= 1) & (y < height - 1)
    rows, columns = np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)
    buffer = nearest[rows, columns]
    seen = inside & np.isfinite(buffer) & (z < buffer + BEHIND)
    weight = seen * np.maximum(facing - GRAZING, 0) ** 2 * view.trust
    return (colour / np.float32(255) / place[wanted][:, 4:]).astype(np.float32), weight.astype(np.float32)


def agreed(colour: F32, weight: F32) -> tuple[F32, F32]:
    """Averages views (n, K, 3) by weight (n, K), then again without what is far from that; gives (K, 3) and (K,)."""
    trusted = weight
    for _ in range(ROUNDS + 1):
        total = trusted.sum(0)
        mean = np.einsum("nkc,nk->kc", colour, trusted) / np.maximum(total, 1e-6)[:, None]
        away = colour - mean
        off = np.einsum("nkc,nkc->nk", away, away) / AGREEMENT**2  # (n, K)
        trusted = weight / (1 + off**2)
    return mean, total


def as_bytes(values: F32) -> U8:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
