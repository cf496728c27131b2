"""The measures, by their properties: what equal, shifted, blurred and shuffled things must give."""

import cv2
import numpy as np
import pytest

from retac_node.ops import metrics
from retac_node.ops.geometry import axis_angle, rotation_matrix


def noise(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_equal_pictures_score_highest() -> None:
    picture = noise(0)
    assert metrics.psnr(picture, picture) == metrics.IDENTICAL
    assert metrics.ssim(picture, picture) == pytest.approx(1.0, abs=1e-5)


def test_psnr_of_a_known_error() -> None:
    true = np.full((8, 8, 3), 100, np.uint8)
    assert metrics.psnr(true + 5, true) == pytest.approx(20 * np.log10(255 / 5), abs=1e-4)


def test_ssim_is_symmetric_and_falls_with_noise() -> None:
    true = cv2.GaussianBlur(noise(0), (0, 0), 3)
    near, far = (np.clip(true + np.random.default_rng(1).normal(0, s, true.shape), 0, 255) for s in (4, 20))
    assert metrics.ssim(near, true) == pytest.approx(metrics.ssim(true, near))
    assert 1 > metrics.ssim(near, true) > metrics.ssim(far, true) > 0


def test_ssim_equals_the_slow_version() -> None:
    a, b = noise(0, 21, 21).astype(float), noise(1, 21, 21).astype(float)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line)[..., None] / line.sum() ** 2

    def mean(p: np.ndarray) -> np.ndarray:
        return np.array([[(p[y : y + 11, x : x + 11] * window).sum((0, 1)) for x in range(11)] for y in range(11)])

    x, y, c1, c2 = mean(a), mean(b), 6.5025, 58.5225
    shared, spread = mean(a * b) - x * y, mean(a * a) - x * x + mean(b * b) - y * y
    slow = ((2 * x * y + c1) * (2 * shared + c2)) / ((x * x + y * y + c1) * (spread + c2))
    np.testing.assert_allclose(metrics.ssim_map(a, b)[5:-5, 5:-5], slow, atol=1e-3)


def test_blur_lowers_sharpness() -> None:
    picture = noise(0)
    assert metrics.sharpness(cv2.GaussianBlur(picture, (0, 0), 2)) < 0.5 * metrics.sharpness(picture)


def test_steady_change_does_not_flicker_and_a_flash_does() -> None:
    still = np.full((4, 4, 3), 100, np.uint8)
    assert metrics.flicker(still, still + 5, still + 10) == 0
    assert metrics.flicker(still, still + 5, still) == 100  # (2 * 5) ** 2


def test_the_squares_follow_the_face_and_are_cut_at_the_plate() -> None:
    points = np.array([[10, 20], [110, 70]], np.float32)
    face = metrics.face_square(points)
    assert (face.side, face.left, face.top) == (160, -20, -35)
    mouth = metrics.mouth_square(face, points)
    assert (mouth.side, mouth.left + mouth.side / 2) == (61, pytest.approx(60, abs=1))
    assert face.cut(np.zeros((60, 80, 3))).shape == (60, 80, 3)
    assert metrics.Square(-30, 0, 20).cut(np.zeros((60, 80, 3))).size == 0


def test_what_lies_off_the_plate_is_not_a_number() -> None:
    nothing = np.zeros((0, 5, 3), np.uint8)
    for value in (metrics.psnr(nothing, nothing), metrics.ssim(nothing, nothing), metrics.sharpness(nothing)):
        assert np.isnan(value)


def test_landmark_distance_does_not_depend_on_the_face_s_size() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (478, 2)).astype(np.float32)
    for size in (1, 3):
        face = metrics.Square(0, 0, 160 * size)
        assert metrics.landmark_distance((points + 2) * size, points * size, face) == pytest.approx(9.05, abs=0.01)


def test_lip_aperture_is_free_of_scale_and_place() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 478, 3)).astype(np.float32)
    np.testing.assert_allclose(metrics.lip_aperture(points * 3 + 7), metrics.lip_aperture(points), rtol=1e-4)


def test_correlation_is_free_of_gain_and_unknown_for_a_still_curve() -> None:
    curve = np.random.default_rng(0).normal(size=50)
    assert metrics.correlation(curve, 3 * curve + 2) == pytest.approx(1)
    assert metrics.correlation(curve, -curve) == pytest.approx(-1)
    assert np.isnan(metrics.correlation(curve, np.ones(50)))


def test_each_angle_turns_about_its_axis() -> None:
    turns = np.radians(20 * np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(metrics.pose_degrees(turns), 20 * np.eye(3), atol=1e-4)


def test_angles_rebuild_the_rotation() -> None:
    rotation = np.random.default_rng(0).normal(0, 0.4, (20, 3)).astype(np.float32)
    angles = np.radians(metrics.pose_degrees(rotation))
    about_x, about_y, about_z = (rotation_matrix(np.outer(angles[:, n], np.eye(3)[n])) for n in range(3))
    np.testing.assert_allclose(axis_angle(about_y @ about_x @ about_z), rotation, atol=1e-5)


def test_pose_similarity_counts_how_often_not_when() -> None:
    poses = np.random.default_rng(0).normal(0, 10, (300, 3)).astype(np.float32)
    assert metrics.pose_similarity(poses, np.random.default_rng(1).permutation(poses)) == pytest.approx(1)
    assert metrics.pose_similarity(poses, np.repeat(poses, 3, axis=0)) == pytest.approx(1)
    assert metrics.pose_similarity(poses, poses + 200) == 0
    half = metrics.pose_similarity(poses, np.concatenate([poses, poses + 200]))
    assert half == pytest.approx(0.5, abs=0.01)
