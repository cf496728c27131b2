"""The window around the face."""

import numpy as np
import pytest

from retac_node.ops.window import LARGEST, cut, into_window, windows


def face(x: float, y: float, width: float, frames: int = 50) -> np.ndarray:
    box = np.array([[x - width / 2, y - width / 2], [x + width / 2, y + width / 2]], np.float32)
    wander = np.sin(np.linspace(0, 6, frames))[:, None, None] * np.float32(5)
    return box[None] + wander


def test_a_window_at_full_resolution_is_a_slice_of_the_plate() -> None:
    plate = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    crop_from_frame, size = windows(face(200, 150, 100), 25.0)
    left, top = (-crop_from_frame[7, :, 2]).astype(int)
    np.testing.assert_array_equal(cut(plate, crop_from_frame[7], size), plate[top : top + size, left : left + size])


def test_a_window_over_the_edge_repeats_it() -> None:
    plate = np.full((120, 120, 3), 9, np.uint8)
    crop_from_frame, size = windows(face(10, 10, 60), 25.0)
    assert (cut(plate, crop_from_frame[0], size) == 9).all()


@pytest.mark.parametrize("width", [40, 333, 900])
def test_the_size_suits_the_refiner_and_is_bounded(width: float) -> None:
    size = windows(face(500, 500, width), 25.0)[1]
    assert size % 16 == 0
    assert size <= LARGEST


def test_a_large_face_is_scaled_and_its_points_land_where_its_pixels_do() -> None:
    plate = np.zeros((2000, 2000, 3), np.uint8)
    plate[996:1004, 1096:1104] = 255
    crop_from_frame, size = windows(face(1000, 1000, 900), 25.0)
    crop = cut(plate, crop_from_frame[3], size)
    y, x = np.argwhere(crop[..., 0] > 0).mean(0) + 0.5
    point = into_window(np.array([[[1100.0, 1000.0, 1.0]]], np.float32), crop_from_frame[3:4])[0, 0]
    np.testing.assert_allclose((x, y), point[:2], atol=0.6)
