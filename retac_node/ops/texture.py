"""Gathers a mesh's texture from views of it: what a surface looks like without its light.  Never draws a picture.

Texels are laid out once, by drawing the mesh in texture space.  Each view lends the texels that it sees, weighed by how
squarely and how sharply it sees them; what disagrees with the rest (a hand, hair) counts less.  A second reading looks
where the first says that the surface really lies.  What nobody saw is spread over the mesh, across its seams, from a prior.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat

import cv2
import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu

from retac_node.data import F32, U8
from retac_node.ops.carry import push_pull
from retac_node.ops.raster import Raster, interpolate, rasterise
from retac_node.ops.raster_edges import outlines

BEHIND = 0.004  # metres that a texel may lie behind the z-buffer and still count as seen
OUTLINE = 0.0015  # metres of bend in depth that make an outline: an eyelid's thickness
MARGIN = 0.006  # of the window's side: nearer to an outline a texel may be the other surface's
GRAZING = 0.3  # cosine below which a view says nothing
DETAIL = 0.012  # of the window's side: how wide around a texel its sharpness is measured
AGREEMENT = 0.08  # [0, 1] RGB by which views of one texel differ without being suspect
ENOUGH = 0.03  # weight of views from which on the prior has no say
RATIO = 5.0  # how far a surface that no view shows may be from its prior, either way
ROUNDS = 2  # of leaving out what disagrees
READINGS = 2
SHIFT = 0.012  # of the window's side: as far as a second reading looks beside the first
RIGID = 0.01  # of the window's side: what lies nearer than this is shifted alike
STIFF, LOYAL = 0.3, 1e-4  # how alike neighbours' ratios are, and how near to the overall one, against one sure vertex
BRIGHT, TELLING = 0.5, 200  # albedo of what a bright part's gain is read off, and how many pixels of it are enough
BRIGHTER_SIDE, BRIGHTER = 60, 1.6  # percent of those pixels that are darker, and the gain's limit, either way
THREADS = 2


@dataclass(frozen=True)
class View:
    """One picture and the mesh in it."""

    picture: U8  # (h, w, 3)
    at: F32  # (V, 3) pixels and metres of depth
    facing: F32  # (V,) cosine between normal and the way to the camera
    shading: F32  # (V, 3) what the light does to albedo 1, RGB; well above 0
    trust: float  # 1 for an ordinary view


@dataclass(frozen=True)
class Mesh:
    """A mesh as its texture sees it."""

    uv: F32  # (V, 2) in [0, 1]
    triangles: np.ndarray  # (F, 3)
    twin: np.ndarray  # (V,) the vertex that stands for this one where the texture has a seam
    painted: np.ndarray  # (F,) marks the triangles that are read off the views


@dataclass(frozen=True)
class Sight:
    """Where K wanted texels lie in one view, and how well it shows them."""

    place: F32  # (K, 2) pixels
    shading: F32  # (K, 3)
    weight: F32  # (K,) 0 where the view does not show them
    detail: F32  # (K,) contrast of the picture around them


def gather(views: Sequence[View], mesh: Mesh, prior: F32, side: int) -> tuple[U8, U8]:
    """Gives the albedo (side, side, 3) and how well it is known (side, side), both u8.

    prior (V, 3) is the albedo of what is not painted, and guides the filling of what no view shows.
    """
    sheet = layout(mesh.uv, mesh.triangles, side)
    wanted = (sheet.triangle >= 0) & mesh.painted[sheet.triangle]
    with ThreadPoolExecutor(THREADS) as pool:
        sights = list(pool.map(sight, views, repeat(mesh), repeat(sheet), repeat(wanted)))
        weight = sharpest(sights)
        albedo, known = agreed(unlit(views, sights), weight)
        filled = fill(albedo, np.minimum(known / ENOUGH, 1), mesh, sheet, wanted, prior)
        for _ in range(READINGS - 1):
            sights = list(pool.map(shifted, views, sights, repeat(mesh), repeat(filled)))
            albedo, known = agreed(unlit(views, sights), weight)
            filled = fill(albedo, np.minimum(known / ENOUGH, 1), mesh, sheet, wanted, prior)
    confidence = np.zeros((side, side), np.float32)
    confidence[wanted] = np.minimum(known / ENOUGH, 1)
    return as_bytes(filled), as_bytes(confidence)


def brightness(views: Sequence[View], mesh: Mesh, part: np.ndarray, prior: F32) -> float:
    """Gives how much brighter a bright part is than its prior (V, 3): 1 where the views hardly show it.

    part (F,) marks its triangles, which need not be painted.  For teeth: too small and too often dark to be read off texel
    by texel.  What is not clear of outlines is left out, and of the rest the brighter side counts: the other is no tooth.
    """
    found = []
    for view in views:
        height, width = view.picture.shape[:2]
        raster = rasterise(view.at, mesh.triangles, height, width)
        meant = interpolate(raster, mesh.triangles, prior)
        clear = cv2.erode((~outlines(raster, OUTLINE)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        shown = clear & (raster.triangle >= 0) & part[raster.triangle] & (meant.mean(-1) > BRIGHT)
        light = interpolate(raster, mesh.triangles, view.shading)[shown]
        found.append(view.picture[shown].mean(-1) / 255 / (meant[shown] * light).mean(-1))
    ratio = np.concatenate(found)
    if len(ratio) < TELLING:
        return 1.0
    return float(np.clip(np.percentile(ratio, BRIGHTER_SIDE), 1 / BRIGHTER, BRIGHTER))


def layout(uv: F32, triangles: np.ndarray, side: int) -> Raster:
    """Draws the mesh in texture space: which triangle each texel belongs to, and where in it."""
    flat = np.concatenate([uv * side, np.ones((len(uv), 1))], 1).astype(np.float32)
    return rasterise(flat, triangles.astype(np.int32), side, side)


def sight(view: View, mesh: Mesh, sheet: Raster, wanted: np.ndarray) -> Sight:
    """Finds K wanted texels in one view."""
    values = np.concatenate([view.at, view.facing[:, None], view.shading], 1)
    there = interpolate(sheet, mesh.triangles, values)[wanted]  # (K, 7)
    height, width = view.picture.shape[:2]
    raster = rasterise(view.at, mesh.triangles, height, width)
    x, y, z, facing = there[:, :4].T
    inside = (x >= 1) & (x < width - 1) & (y >= 1) & (y < height - 1)
    rows, columns = np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)
    away = cv2.distanceTransform((~outlines(raster, OUTLINE)).astype(np.uint8), cv2.DIST_L2, 5)  # pixels
    clear = np.minimum(away[rows, columns], MARGIN * width) / (MARGIN * width)
    buffer = raster.depth[rows, columns]
    seen = inside & np.isfinite(buffer) & (z < buffer + BEHIND)
    weight = seen * clear * np.maximum(facing - GRAZING, 0) ** 2 * view.trust
    detail = contrast(view.picture)[rows, columns] / there[:, 4:].mean(1)
    return Sight(there[:, :2].copy(), there[:, 4:].copy(), weight.astype(np.float32), detail.astype(np.float32))


def contrast(picture: U8) -> F32:
    """Measures the fine contrast (h, w) around each pixel."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.GaussianBlur(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), (0, 0), DETAIL * grey.shape[1])


def sharpest(sights: Sequence[Sight]) -> F32:
    """Gives the weights (n, K) of the views of each texel: one with less contrast than the median counts by its square."""
    weight = np.stack([one.weight for one in sights])
    detail = np.stack([one.detail for one in sights]) + np.float32(1e-3)
    ranked = np.sort(np.where(weight > 0, detail, np.inf), axis=0)  # those that do not see the texel come last
    middle = ((weight > 0).sum(0) - 1).clip(min=0) // 2
    usual = np.take_along_axis(ranked, middle[None], 0)
    return np.asarray(weight * np.minimum(detail / usual, 1) ** 2, np.float32)


def unlit(views: Sequence[View], sights: Sequence[Sight]) -> F32:
    """Reads the texels off the views and divides their light out: (n, K, 3)."""
    return np.stack([read(view.picture, one.place) / one.shading for view, one in zip(views, sights, strict=True)])


def read(picture: U8 | F32, place: F32) -> F32:
    """Reads a picture (h, w, c) at places (K, 2), bilinearly; u8 becomes [0, 1]."""
    rows = [
        cv2.remap(picture, part[None, :, 0] - 0.5, part[None, :, 1] - 0.5, cv2.INTER_LINEAR)[0]
        for part in np.array_split(place, 1 + len(place) // 32000)  # OpenCV takes no longer lines
    ]
    found = np.concatenate(rows).astype(np.float32)
    return found / np.float32(255) if picture.dtype == np.uint8 else found


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


def shifted(view: View, before: Sight, mesh: Mesh, texture: F32) -> Sight:
    """Looks again: where the texture (side, side, 3), drawn in the view, is really to be found in its picture."""
    height, width = view.picture.shape[:2]
    raster = rasterise(view.at, mesh.triangles, height, width)
    values = interpolate(raster, mesh.triangles, np.concatenate([mesh.uv * len(texture) - 0.5, view.shading], 1))
    drawn = cv2.remap(texture, values[..., 0], values[..., 1], cv2.INTER_LINEAR) * values[..., 2:]
    over = np.where((raster.triangle >= 0)[..., None], as_bytes(drawn), view.picture)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # Kroeger et al. 2016
    flow = search.calc(grey(over), grey(view.picture), np.zeros((height, width, 2), np.float32))
    flow = cv2.GaussianBlur(flow, (0, 0), RIGID * width)
    length = np.linalg.norm(flow, axis=-1, keepdims=True)
    flow *= np.minimum(1, SHIFT * width / np.maximum(length, 1e-6))
    return replace(before, place=before.place + read(flow, before.place))


def grey(picture: U8) -> U8:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def fill(albedo: F32, known: F32, mesh: Mesh, sheet: Raster, wanted: np.ndarray, prior: F32) -> F32:
    """Completes K texels' albedo (K, 3), each known (K,) [0, 1], to the whole sheet (side, side, 3)."""
    prior = np.maximum(prior, 0.02)
    side = len(wanted)
    guess = interpolate(sheet, mesh.triangles, prior)  # (side, side, 3)
    surface = np.zeros((side, side, 3), np.float32)
    held = np.zeros((side, side), np.float32)
    surface[wanted], held[wanted] = albedo, known
    corner = np.clip(mesh.uv * side, 0, side - 1).astype(int).T[::-1]  # rows and columns of the vertices
    ratio = np.clip(surface[tuple(corner)] / prior, 1 / RATIO, RATIO)
    spread = spread_out(ratio, held[tuple(corner)], mesh)  # (V, 3)
    spread[np.unique(mesh.triangles[~mesh.painted])] = 1
    beside = guess * interpolate(sheet, mesh.triangles, spread)
    laid = (sheet.triangle >= 0).astype(np.float32)
    whole = push_pull(surface * held[..., None] + beside * (laid - held)[..., None], laid)
    mended = whole + interpolate(sheet, mesh.triangles, steps(whole, mesh))
    return np.clip(push_pull(mended * laid[..., None], laid), 0, 1)


def steps(texture: F32, mesh: Mesh) -> F32:
    """Gives what each vertex (V, 3) lacks to the mean of its twins, so that both sides of a seam can meet there."""
    colour = read(texture, mesh.uv * len(texture))
    counted = np.zeros(len(colour))
    counted[np.unique(mesh.triangles[mesh.painted])] = 1
    total = np.stack([np.bincount(mesh.twin, counted * channel, len(colour)) for channel in colour.T], 1)
    mean = total / np.maximum(np.bincount(mesh.twin, counted, len(colour)), 1)[:, None]
    return np.asarray((mean[mesh.twin] - colour) * counted[:, None], np.float32)


def spread_out(values: F32, known: F32, mesh: Mesh) -> F32:
    """Spreads vertex values (V, 3), each known (V,) [0, 1], smoothly over the mesh and across its seams."""
    edge = mesh.twin[np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])]
    count = len(values)
    link = coo_matrix((np.full(len(edge), STIFF), edge.T), (count, count))
    link = link + link.T
    weight = np.bincount(mesh.twin, known, count)  # of all twins together
    total = np.stack([np.bincount(mesh.twin, known * channel, count) for channel in values.T], 1)
    overall = np.median(values[known > 0.5], 0) if (known > 0.5).any() else np.ones(3)
    system = diags(weight + LOYAL + np.asarray(link.sum(1))[:, 0]) - link
    found = splu(system.tocsc()).solve(total + LOYAL * overall)
    return np.asarray(found[mesh.twin], np.float32)


def as_bytes(values: F32) -> U8:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
