"""Finds where the 478 face-mesh landmarks lie on a head model, by showing it to the landmark net.

Heads of several shapes are drawn; what the net points at is looked up in the z-buffer, and a landmark is placed at the
middle of where it was seen.  Never moves a vertex.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node.models.head import EYEBALL, SKIN, Head, posed, vertices
from retac_node.models.landmarker import Landmarker
from retac_node.ops.geometry import project
from retac_node.ops.light import CONSTANT, LINEAR, shade
from retac_node.ops.raster import Raster, interpolate, rasterise, vertex_normals

Array = NDArray[Any]

SIZE, FOCAL = 512, 1000.0  # pixels
IRIS = np.arange(478) >= 468
JAW = (0.15, 0.45)  # a little open, so that both lips are seen
STUDIO = np.zeros((9, 3), np.float32)  # light mostly from the front and above
STUDIO[:4] = np.array([[0.78 / CONSTANT], [-0.15 / LINEAR], [-0.28 / LINEAR], [0.08 / LINEAR]])


@dataclass(frozen=True)
class Marked:
    """One drawn head and what the net saw in it."""

    raster: Raster
    turned: Array  # (F,) triangles that face away
    seen: Array  # (478, 2) pixels


def place(head: Head, count: int, distance: float) -> Head | None:
    """Fills in the landmarks from `count` views over so many metres; None where the net sees no face in any.

    Landmarks of the irises are placed only on eyeballs; a model without them has none.
    """
    found = [look_up(head, view) for view in views(head, count, distance)]
    if not found:
        return None
    hits, weights = (np.stack(part) for part in zip(*found, strict=True))  # (n, 478), (n, 478, 3)
    places = np.einsum("nlc,nlcx->nlx", weights, head.mean[head.triangles[hits]])  # on the mean head
    best = np.linalg.norm(places - np.median(places, axis=0), axis=2).argmin(0)  # (478,)
    every = np.arange(478)
    blind = IRIS & ~(head.part == EYEBALL).any()
    return replace(
        head,
        landmark_triangle=np.where(blind, -1, hits[best, every]).astype(np.int32),
        landmark_bary=np.where(blind[:, None], 0, weights[best, every]).astype(np.float32),
    )


def views(head: Head, count: int, distance: float) -> Iterator[Marked]:
    """Draws people, turned a little, the mouth a little open, and asks the net."""
    rng = np.random.default_rng(0)
    net = Landmarker()
    for _ in range(count):
        expression = np.zeros((1, len(head.expression)), np.float32)
        expression[0, head.unit("jawOpen")] = rng.uniform(*JAW)
        shape = vertices(head, rng.normal(0, 0.5, len(head.identity)), expression)
        rotation = rng.normal(0, 0.12, (1, 3)) * [1, 1, 0.5]
        points = posed(shape, rotation, np.array([[0, 0, distance]]))[0]
        raster, picture = draw(head, points)
        if boxes := net.detect(picture):
            a, b, c = (points[head.triangles[:, k]] for k in range(3))
            turned = (np.cross(b - a, c - a) * a).sum(1) > 0
            yield Marked(raster, turned, net.landmarks(picture, boxes[0]).points[:, :2])


def draw(head: Head, points: Array) -> tuple[Raster, Array]:
    """Draws camera points (V, 3) in studio light on mid-grey: the raster and the picture (SIZE, SIZE, 3) u8."""
    raster = rasterise(project(points, FOCAL, SIZE, SIZE), head.triangles, SIZE, SIZE)
    colour = shade(head.albedo_mean, vertex_normals(points, head.triangles, head.twin), STUDIO)
    picture = np.where(raster.triangle[..., None] < 0, 0.5, interpolate(raster, head.triangles, colour))
    return raster, (picture.clip(0, 1) * 255).astype(np.uint8)


def look_up(head: Head, view: Marked) -> tuple[Array, Array]:
    """Reads triangle (478,) and weights (478, 3) at each landmark: the nearest skin, or eyeball for the irises.

    Only what faces the camera counts: through an open mouth without a cavity one sees the back of the head from inside.
    """
    part = np.where(view.raster.triangle < 0, 255, head.part[view.raster.triangle])
    part[view.turned[view.raster.triangle]] = 255
    column, row = np.clip(view.seen, 0, SIZE - 1).astype(int).T
    skin = nearest_of(part == SKIN)[:, row, column]  # (2, 478)
    eye = nearest_of(part == EYEBALL)[:, row, column] if (part == EYEBALL).any() else skin
    i, j = np.where(IRIS, eye, skin)
    return view.raster.triangle[i, j], view.raster.bary[i, j]


def nearest_of(wanted: Array) -> Array:
    """Gives row and column (2, h, w) of the pixel nearest to each among the wanted (h, w)."""
    _, label = cv2.distanceTransformWithLabels(
        (~wanted).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(wanted)
    order = np.zeros((2, label.max() + 1), int)
    order[:, label[rows, columns]] = rows, columns
    return order[:, label]
