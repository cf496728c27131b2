"""Landmarks of one picture, and what its pixels are: on real footage where it is at hand."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from retac_node import assets
from retac_node.models.landmarker import (
    ANCHORS,
    BLENDSHAPES,
    EXPRESSIVE,
    Box,
    Landmarker,
    crop_square,
    sample,
    suppress,
)
from retac_node.models.segmenter import BACKGROUND, FACE, Segmenter
from retac_node.ops.subjects import rotation

MATERIAL = Path(os.environ.get("RETAC_MATERIAL", Path(__file__).parents[2] / "shared" / "material"))
MIDLINE = [0, 1, 13, 14, 17, 152, 168]  # lips, nose, chin, brow
LIPS = [61, 291, 0, 17, 13, 14]


@pytest.fixture(scope="module")
def landmarker():
    if not assets.available("face_landmarker"):
        pytest.skip("the face_landmarker model is not fetched")
    return Landmarker()


@pytest.fixture(scope="module")
def portrait():
    """A frame of (512, 512, 3): a woman speaking, mouth open."""
    clip = MATERIAL / "clips" / "talk_512_25fps.mp4"
    if not clip.exists():
        pytest.skip("the test footage is not here")
    with av.open(clip) as video:
        return next(frame for number, frame in enumerate(video.decode(video=0)) if number == 30).to_ndarray(
            format="rgb24"
        )


def eye_distance(points):
    return np.linalg.norm(points[473, :2] - points[468, :2])


def find(landmarker, rgb):
    return landmarker.landmarks(rgb, landmarker.detect(rgb)[0])


def test_the_tables_have_the_sizes_the_nets_expect():
    assert ANCHORS.shape == (896, 2)
    assert len(set(BLENDSHAPES)) == 52
    assert len(set(EXPRESSIVE.tolist())) == 146


def test_the_crop_is_centred_on_the_box_and_half_as_wide_again():
    frame_from_crop = crop_square(Box(300, 200, 100, 80, 0.3, 1))
    assert frame_from_crop @ [128, 128, 1] == pytest.approx([300, 200], abs=1e-3)
    assert np.hypot(*frame_from_crop[:, 0]) * 256 == pytest.approx(150, abs=1e-3)


@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_sampling_at_a_whole_scale_is_the_mean_of_the_pixels(shrink):
    rgb = np.random.default_rng(0).integers(0, 256, (120, 150, 3)).astype(np.uint8)
    move = np.array([[shrink, 0, 12], [0, shrink, 6]], np.float32)
    part = rgb[6 : 6 + 30 * shrink, 12 : 12 + 30 * shrink].reshape(30, shrink, 30, shrink, 3).mean((1, 3))
    assert sample(rgb, move, 30) == pytest.approx(part, abs=1)


def test_a_crop_outside_the_picture_is_black():
    rgb = np.full((50, 50, 3), 255, np.uint8)
    assert sample(rgb, np.array([[1, 0, 90], [0, 1, 90]], np.float32), 16).max() == 0
    assert sample(rgb, np.array([[1, 0, -90], [0, 1, -90]], np.float32), 16).max() == 0


def test_detections_of_one_face_are_merged_by_their_scores():
    near, nearer = Box(100, 100, 50, 50, 0.0, 0.9), Box(109, 100, 50, 50, 0.0, 0.3)
    merged, other = suppress([nearer, Box(300, 100, 50, 50, 0.0, 0.5), near])
    assert (merged.x, merged.score, other.x) == (pytest.approx(102.25), 0.9, 300)


def test_a_mirrored_face_has_mirrored_landmarks(landmarker, portrait):
    points = find(landmarker, portrait).points
    mirrored = find(landmarker, np.ascontiguousarray(portrait[:, ::-1])).points
    off = np.abs(512 - mirrored[MIDLINE, 0] - points[MIDLINE, 0]).mean()
    assert off < 0.02 * eye_distance(points)


def test_a_turned_picture_has_turned_landmarks(landmarker, portrait):
    points = find(landmarker, portrait).points[:, :2]
    turn = rotation(0.5)
    corner = np.array([256, 256]) - turn @ [256, 256]
    shift = corner + turn.sum(1) / 2 - 0.5  # OpenCV counts from pixel centres
    turned = find(landmarker, cv2.warpAffine(portrait, np.column_stack([turn, shift]), (512, 512)))
    off = np.linalg.norm(turned.points[LIPS, :2] - (points[LIPS] @ turn.T + corner), axis=1).mean()
    assert off < 0.03 * eye_distance(points)


def test_the_landmarks_do_not_feel_where_the_box_came_from(landmarker, portrait):
    face = find(landmarker, portrait)
    width = face.box.width
    moved = Box(face.box.x + 0.03 * width, face.box.y - 0.02 * width, 1.03 * width, face.box.height, face.box.roll, 1)
    off = np.linalg.norm((landmarker.landmarks(portrait, moved).points - face.points)[LIPS, :2], axis=1).mean()
    assert off < 0.01 * eye_distance(face.points)


def test_a_face_of_forty_pixels_is_found_in_a_large_frame(landmarker, portrait):
    frame = np.full((1920, 1080, 3), 128, np.uint8)
    frame[1200:1280, 700:780] = cv2.resize(portrait, (80, 80), interpolation=cv2.INTER_AREA)
    (box,) = landmarker.detect(frame)
    assert box.width == pytest.approx(40, rel=0.15)
    assert landmarker.landmarks(frame, box).score > 0.5


def test_two_faces_are_found_and_noise_has_none(landmarker, portrait):
    both = np.concatenate([portrait, cv2.resize(portrait, (400, 512))], axis=1)
    assert [round(box.x) // 512 for box in landmarker.detect(both)] == [0, 1]
    noise = np.random.default_rng(0).integers(0, 256, portrait.shape).astype(np.uint8)
    assert landmarker.detect(noise) == []


def test_an_open_mouth_opens_the_jaw(landmarker, portrait):
    face = find(landmarker, portrait)
    assert face.blendshapes[BLENDSHAPES.index("jawOpen")] > 0.2
    assert face.score > 0.9


def test_the_nose_is_face_and_the_corner_is_background(landmarker, portrait):
    if not Segmenter.available():
        pytest.skip("the selfie_multiclass model is not fetched")
    shares = Segmenter().classes(portrait)
    x, y = find(landmarker, portrait).points[4, :2].astype(int)
    assert shares.shape == (512, 512, 6)
    assert np.allclose(shares.sum(2), 1, atol=1e-4)
    assert shares[y, x, FACE] > 0.8
    assert shares[3, 508, BACKGROUND] > 0.8
