"""Pixels that move with the mesh."""

import numpy as np

from retac_node.ops.carry import displacement, push_pull, sample
from retac_node.ops.raster import rasterise

TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def square(left: float, top: float, side: float) -> np.ndarray:
    corners = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    return np.column_stack([np.array(corners), np.ones(4)]).astype(np.float32)


def test_a_mesh_that_does_not_move_moves_nothing() -> None:
    at = square(20, 20, 40)
    field = displacement(rasterise(at, TRIANGLES, 80, 80), TRIANGLES, at[:, :2], 20)
    assert np.abs(field).max() < 1e-3


def test_what_the_mesh_covers_is_moved_exactly_and_the_rest_dies_out() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    raster = rasterise(square(25, 20, 40), TRIANGLES, 80, 80)
    field = displacement(raster, TRIANGLES, square(20, 20, 40)[:, :2], 12)
    moved = sample(picture, field)
    np.testing.assert_array_equal(moved[30:50, 35:55], picture[30:50, 30:50])
    np.testing.assert_array_equal(moved[:, :8], picture[:, :8])


def test_the_field_has_no_step_at_the_silhouette() -> None:
    raster = rasterise(square(25, 20, 40), TRIANGLES, 80, 80)
    field = displacement(raster, TRIANGLES, square(20, 20, 40)[:, :2], 24)
    assert np.abs(np.diff(field, axis=1)).max() < 1.5


def test_push_pull_keeps_what_is_known_and_fills_the_rest_between() -> None:
    weight = np.zeros((32, 32), np.float32)
    weight[:, 0] = weight[:, -1] = 1
    known = np.zeros((32, 32, 2), np.float32)
    known[:, -1] = 10
    filled = push_pull(known * weight[..., None], weight)
    np.testing.assert_array_equal(filled[:, 0], 0)
    np.testing.assert_array_equal(filled[:, -1], 10)
    assert 3 < filled[16, 16, 0] < 7
