"""Finds where MediaPipe's 478 face-mesh landmarks lie on the built head, by showing it to the landmark net.

Heads of many shapes and expressions are drawn; what the net points at is looked up in the z-buffer.  A landmark is
placed at the middle of where it was seen.  Never moves a vertex.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from retac_node.models.dropins.marks import FOCAL, IRIS, SIZE, draw
from retac_node.models.head import EYEBALL, SKIN, Head, landmarks, posed, vertices
from retac_node.models.landmarker import Landmarker
from retac_node.ops.geometry import project
from retac_node.ops.raster import Raster

Array = NDArray[Any]

DISTANCE = 0.6  # metres


@dataclass(frozen=True)
class View:
    """One drawn head and what the net saw in it."""

    points: Array  # (V, 3) camera
    raster: Raster
    seen: Array  # (478, 2) pixels


def place_landmarks(head: Head, count: int = 240) -> Head:
    """Fills in `landmark_triangle` and `landmark_bary` and prints how well they foretell the net on unseen heads."""
    triangles, bary = [], []
    for view in views(head, count, seed=0):
        hit, weights = look_up(head, view)
        triangles.append(hit)
        bary.append(weights)
    hits, weights = np.stack(triangles), np.stack(bary)  # (count, 478), (count, 478, 3)
    places = np.einsum("nlc,nlcx->nlx", weights, head.mean[head.triangles[hits]])  # on the mean head
    middle = np.median(places, axis=0)
    best = np.linalg.norm(places - middle, axis=2).argmin(0)  # (478,)
    every = np.arange(478)
    placed = replace(
        head,
        landmark_triangle=hits[best, every].astype(np.int32),
        landmark_bary=weights[best, every].astype(np.float32),
    )
    errors = np.stack(list(misses(placed, 20, seed=1)))  # (20, 478)
    print(f"landmarks: {np.median(errors):.2f} px median, {errors.mean():.2f} mean, {errors[:, IRIS].mean():.2f} iris")
    return placed


def misses(head: Head, count: int, seed: int) -> Iterator[Array]:
    """Yields, for each of `count` random heads, the distance (478,) in pixels between net and model."""
    for view in views(head, count, seed):
        own = project(landmarks(head, view.points), FOCAL, SIZE, SIZE)[:, :2]
        yield np.linalg.norm(own - view.seen, axis=1)


def views(head: Head, count: int, seed: int) -> Iterator[View]:
    """Draws random people, turned a little, mouth a little open so that both lips are seen, and asks the net."""
    rng = np.random.default_rng(seed)
    net = Landmarker()
    for _ in range(count):
        expression = rng.uniform(0, 0.25, len(head.expression)) * (rng.random(len(head.expression)) < 0.2)
        expression[52:] = 0
        expression[head.unit("jawOpen")] = rng.uniform(0.15, 0.45)
        expression[[head.unit("eyeBlinkLeft"), head.unit("eyeBlinkRight")]] = 0
        rotation = rng.normal(0, 0.12, (1, 3)) * [1, 1, 0.5]
        shape = vertices(head, rng.normal(0, 0.8, len(head.identity)), expression[None])
        points = posed(shape, rotation, np.array([[0, 0, DISTANCE]]))[0]
        raster, picture = draw(head, points)
        boxes = net.detect(picture)
        if boxes:
            yield View(points, raster, net.landmarks(picture, boxes[0]).points[:, :2])


def look_up(head: Head, view: View) -> tuple[Array, Array]:
    """Reads triangle (478,) and weights (478, 3) at each landmark: the nearest skin, or eyeball for the irises."""
    part = np.where(view.raster.triangle < 0, 255, head.part[view.raster.triangle])
    column, row = np.clip(view.seen, 0, SIZE - 1).astype(int).T
    at = [distance_transform_edt(part != kind, return_distances=False, return_indices=True)[:, row, column]
          for kind in (SKIN, EYEBALL)]  # fmt: skip
    i, j = np.where(IRIS, at[1], at[0])
    return view.raster.triangle[i, j], view.raster.bary[i, j]
