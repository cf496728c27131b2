"""Which place of the default head each vertex of another head is: by landmarks, a smooth warp and nearness.

Never changes either head.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import RBFInterpolator
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from retac_node.models.head import CAVITY, EYEBALL, SKIN, Head, landmarks
from retac_node.models.landmarks3d import OVAL
from retac_node.ops.raster import vertex_normals

Array = NDArray[Any]

NORMAL_REACH = 0.012  # metres that a wholly different direction of the surface counts as away: keeps the lips apart
SMOOTHING = 3e-3  # of the warp: landmarks are off by a millimetre or two
GRID = 4  # steps along a triangle's edge between places that are looked at
LATTICE = np.array([(i, j, GRID - i - j) for i in range(GRID + 1) for j in range(GRID + 1 - i)]) / GRID  # (15, 3)


@dataclass(frozen=True)
class Fit:
    carry: sparse.csr_matrix  # (V, V of the donor), rows sum to 1: values of the donor at the other head's vertices
    part: Array  # (F,) of the other head's triangles
    scale: float  # size of the other head, the donor's being 1
    landmark_triangle: Array  # (478,) the donor's landmarks carried to the other head
    landmark_bary: Array  # (478, 3)


def rigid(source: Array, target: Array) -> tuple[Array, Array, float]:
    """Finds rotation (3, 3), translation (3,) and size with target = size x rotation x source + translation.

    Least squares over points (n, 3): Umeyama 1991, equations 40 to 42.
    """
    from_middle, to_middle = source - source.mean(0), target - target.mean(0)
    left, singular, right = np.linalg.svd(to_middle.T @ from_middle)
    mirror = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(mirror) @ right
    size = float((singular * mirror).sum() / (from_middle**2).sum())
    return rotation, target.mean(0) - size * rotation @ source.mean(0), size


def marks_of(head: Head, donor: Head) -> tuple[Array, Array]:
    """Gives the landmarks (n, 3) that both heads carry, on each of them; those of the outline slide and are left out."""
    own, other = landmarks(head, head.mean), landmarks(donor, donor.mean)
    held = ~np.isin(np.arange(len(own)), OVAL)
    both = np.isfinite(own).all(1) & np.isfinite(other).all(1) & held
    return own[both].astype(float), other[both].astype(float)


def fit(head: Head, donor: Head, part: Array | None) -> Fit:
    """Warps the donor onto a head with landmarks and looks up the nearest place that faces the same way.

    `part` (F,) of the head's triangles; None where that is to be found out.
    """
    own, other = marks_of(head, donor)
    rotation, shift, size = rigid(other, own)
    start = size * other @ rotation.T + shift
    warp = RBFInterpolator(start, own - start, kernel="linear", degree=0, smoothing=SMOOTHING)
    moved = size * donor.mean @ rotation.T + shift
    warped = replace(donor, mean=(moved + warp(moved)).astype(np.float32))
    found = pieces(head, warped) if part is None else part
    triangle, bary = marks_on(replace(head, part=found), warped)
    return Fit(carried(head, found, warped), found, size, triangle, bary)


def carried(head: Head, part: Array, warped: Head) -> sparse.csr_matrix:
    """Gives (V, V of the donor); each vertex is looked up on its own kind of surface."""
    kinds, goal = owner(head.triangles, part, len(head.mean)), described(head)
    carry = sparse.lil_matrix((len(goal), len(warped.mean)), dtype=np.float32)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        hit, share = nearest(warped, goal[rows], (kind,))
        for corner in range(3):
            carry[rows, warped.triangles[hit, corner]] += share[:, corner]
    return carry.tocsr()


def marks_on(head: Head, warped: Head) -> tuple[Array, Array]:
    """Gives the triangle (478,) and weights (478, 3) on a head that lie nearest to the warped donor's landmarks."""
    corners = described(warped)[warped.triangles[warped.landmark_triangle]]  # (478, 3, 6)
    goal = np.einsum("lc,lcx->lx", warped.landmark_bary, corners)
    triangle, bary = np.full(478, -1), np.zeros((478, 3))
    kinds = warped.part[warped.landmark_triangle]
    for kind in np.intersect1d(kinds, head.part):
        rows = np.flatnonzero((kinds == kind) & (warped.landmark_triangle >= 0))
        triangle[rows], bary[rows] = nearest(head, goal[rows], (kind,))
    return triangle, bary


def nearest(head: Head, goal: Array, parts: tuple[int, ...]) -> tuple[Array, Array]:
    """Finds the places of a head's parts that are nearest to described places (n, 6): triangle (n,), weights (n, 3)."""
    allowed = np.flatnonzero(np.isin(head.part, parts))
    places = np.einsum("gc,fcx->fgx", LATTICE, described(head)[head.triangles[allowed]])  # (f, 15, 6)
    found = KDTree(places.reshape(-1, 6)).query(goal)[1]
    return allowed[found // len(LATTICE)], LATTICE[found % len(LATTICE)]


def pieces(head: Head, warped: Head) -> Array:
    """Says which part each triangle (F,) is: the largest connected piece is skin, any other what most of it lies on."""
    edges = np.concatenate([head.triangles[:, :2], head.triangles[:, 1:]])
    graph = sparse.coo_matrix((np.ones(len(edges)), tuple(edges.T)), (len(head.mean), len(head.mean)))
    count, piece = connected_components(graph, directed=False)
    lies_on = warped.part[nearest(warped, described(head), tuple(range(CAVITY + 1)))[0]]  # (V,)
    kinds = np.array([np.bincount(lies_on[piece == one]).argmax() for one in range(count)], np.uint8)
    kinds[np.bincount(piece).argmax()] = SKIN
    return kinds[piece[head.triangles[:, 0]]]


def described(head: Head) -> Array:
    """Gives the vertices as (V, 6): two are near when they are near in space, metres, and face the same way."""
    return np.concatenate([head.mean, NORMAL_REACH * vertex_normals(head.mean, head.triangles, head.twin)], 1)


def owner(triangles: Array, part: Array, count: int) -> Array:
    """Gives the part (V,) that each vertex belongs to; skin and eyeballs before the mouth's inside at a shared rim."""
    kinds = np.full(count, SKIN, np.uint8)
    for kind in (*range(CAVITY, EYEBALL - 1, -1), SKIN):
        kinds[triangles[part == kind]] = kind
    return kinds
