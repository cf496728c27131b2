"""Lays a head's texture out: no two triangles share texels, and the face is one piece.

The head is unrolled about its height; what that hides is seen from one of six sides at a time.  A triangle joins a layer
only where the z-buffer shows all of it, so a layer never overlaps itself.  Never moves a vertex in space.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.models.head import Head
from retac_node.ops.raster import rasterise

Array = NDArray[Any]

SIDE = 1536  # texels of the z-buffer that decides
HEAD_SHARE, GUTTER = 0.74, 0.006  # of the texture: height of the unrolled head, empty space between layers
LAYERS = 16
FLAT = 1e-9  # of the texture: a triangle that is smaller is not laid here
PROBES = np.array([[1, 1, 1], [8, 1, 1], [1, 8, 1], [1, 1, 8], [5, 5, 1], [1, 5, 5], [5, 1, 5]]) / [
    [3], [10], [10], [10], [11], [11], [11]
]  # fmt: skip
SIXES = [(axis, sign) for axis in (2, 0, 1) for sign in (-1, 1)]  # front, back, right, left, top, bottom


@dataclass(frozen=True)
class Flat:
    """The vertices seen from one side."""

    place: Array  # (V, 2) in [0, 1]
    depth: Array  # (V,) metres, smaller is nearer
    sense: float  # 1 or -1: the sign of the area of triangles that face the viewer
    usable: Array  # (F,) triangles that do not run across the edge of the unrolled head


def unwrap(points: Array, triangles: Array) -> Array:
    """Gives the texture coordinates (F, 3, 2) of each triangle's corners in [0, 1], u right and v down."""
    uv = np.zeros((len(triangles), 3, 2))
    layer = np.full(len(triangles), -1)
    views = [unrolled(points, triangles), *(seen_from(points, triangles, *side) for side in SIXES)]
    for number in range(LAYERS):
        left = layer < 0
        laid = [shown(view, triangles, left) for view in (views[:1] if number == 0 else views[1:])]
        best = int(np.argmax([found.sum() for found in laid]))
        if not laid[best].any():
            break
        layer[laid[best]] = number
        uv[laid[best]] = views[best if number == 0 else best + 1].place[triangles[laid[best]]]
    return packed(uv, layer, areas(points, triangles))


def unrolled(points: Array, triangles: Array) -> Flat:
    """Looks at the head from all around: angle about its height across, height down."""
    middle = (points.min(0) + points.max(0)) / 2
    across, _, away = (points - middle).T
    angle = np.arctan2(across, -away)  # (V,) 0 in front
    near = np.ptp(angle[triangles], axis=1) < np.pi / 2
    place = np.stack([spread(angle), spread(points[:, 1])], 1)
    return Flat(place, 1 - np.hypot(across, away), -1.0, near)


def seen_from(points: Array, triangles: Array, axis: int, sign: int) -> Flat:
    """Looks along an axis from its negative (-1) or positive (1) end."""
    others = [other for other in (0, 1, 2) if other != axis]
    low, size = points.min(0)[others], np.ptp(points[:, others], axis=0).max()
    depth = 1 + np.ptp(points[:, axis]) - sign * (points[:, axis] - points[:, axis].mean())
    sense = float(-sign if axis == 1 else sign)  # cross(b - a, c - a) points out of the head
    return Flat((points[:, others] - low) / size, depth, sense, np.ones(len(triangles), bool))


def shown(view: Flat, triangles: Array, left: Array) -> Array:
    """Marks those of the triangles still left (F,) that face the viewer and that no other of them hides."""
    corners = view.place[triangles]  # (F, 3, 2)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = view.sense * (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    able = np.flatnonzero(left & view.usable & (area > FLAT))
    out = np.zeros(len(triangles), bool)
    for _ in range(2):  # what the first look throws out no longer hides the rest
        flat = np.concatenate([view.place * SIDE, view.depth[:, None]], 1).astype(np.float32)
        winner = rasterise(flat, triangles[able].astype(np.int32), SIDE, SIDE).triangle
        probes = np.einsum("pc,fcx->fpx", PROBES, corners[able]) * SIDE
        column, row = np.clip(probes, 0, SIDE - 1).astype(int).transpose(2, 0, 1)  # (f, 7)
        able = able[unhidden(winner[row, column], triangles[able])]
    out[able] = True
    return out


def unhidden(winner: Array, triangles: Array) -> Array:
    """Says of each triangle (f,) whether its probes (f, 7) fell on itself, on one that touches it, or on nothing."""
    other = triangles[np.maximum(winner, 0)]  # (f, 7, 3)
    shared = (other[..., :, None] == triangles[:, None, None, :]).any((2, 3))  # (f, 7)
    return np.asarray((shared | (winner < 0)).all(1))


def areas(points: Array, triangles: Array) -> Array:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def packed(uv: Array, layer: Array, area: Array) -> Array:
    """Puts the unrolled head above and the other layers in a row below it, as wide as what they carry is large.

    A triangle that no side shows, (F,) layer -1, is seen by nobody either: it keeps one texel in the lower right corner.
    """
    out = np.full_like(uv, 1 - GUTTER / 4)
    out[layer == 0] = framed(uv[layer == 0], np.zeros(2), np.array([1, HEAD_SHARE]))
    rest = list(range(1, layer.max() + 1))
    sizes = np.sqrt([area[layer == number].sum() for number in rest]) + 0.005
    ends = np.concatenate([[0], np.cumsum(sizes) / sizes.sum()])
    for number, start, end in zip(rest, ends[:-1], ends[1:], strict=True):
        out[layer == number] = framed(uv[layer == number], np.array([start, HEAD_SHARE]), np.array([end, 1]))
    return out


def framed(uv: Array, low: Array, high: Array) -> Array:
    """Stretches (f, 3, 2) to fill a box, with half a gutter round it."""
    flat = uv.reshape(-1, 2)
    share = (uv - flat.min(0)) / np.maximum(np.ptp(flat, axis=0), 1e-9)
    return np.asarray(low + GUTTER / 2 + share * (high - low - GUTTER))


def spread(values: Array) -> Array:
    """Maps values (n,) to [0, 1], rising, half by where they lie and half by how many lie below: eyes and mouth grow."""
    ordered = np.sort(values)
    linear = (ordered - ordered[0]) / (ordered[-1] - ordered[0])
    knots = np.linspace(0, len(values) - 1, 24).astype(int)
    return np.interp(values, ordered[knots], 0.5 * linear[knots] + 0.5 * np.linspace(0, 1, len(knots)))


def overlaps(uv: Array) -> float:
    """Gives the share of the texture that more than one triangle claims; uv (F, 3, 2)."""
    corners = np.arange(uv.size // 2, dtype=np.int32).reshape(-1, 3)
    flat = np.concatenate([uv.reshape(-1, 2) * SIDE, np.ones((uv.size // 2, 1))], 1).astype(np.float32)
    covered = (rasterise(flat, corners, SIDE, SIDE).triangle >= 0).mean()
    one, two = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return float(abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2 - covered)


def split(head: Head, uv: Array) -> Head:
    """Gives the head with a vertex for each place of each of its vertices in the texture; uv (F, 3, 2)."""
    rows = np.concatenate([head.triangles.reshape(-1, 1), uv.reshape(-1, 2).round(6)], 1)
    unique, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    source = head.triangles.reshape(-1)[first]  # (V',)
    stands = np.full(len(head.mean), -1)
    stands[source[::-1]] = np.arange(len(source))[::-1]
    return replace(
        head,
        mean=head.mean[source],
        identity=head.identity[:, source],
        expression=head.expression[:, source],
        albedo_mean=head.albedo_mean[source],
        albedo=head.albedo[:, source],
        spoken=head.spoken[source],
        triangles=which.reshape(-1, 3).astype(np.int32),
        uv=unique[:, 1:].astype(np.float32),
        twin=stands[source].astype(np.int32),
    )
