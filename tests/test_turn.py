"""A head that is asked to turn: what goes with it, what stays, and how far it may go."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from retac_node.data import FaceTrack, Motion
from retac_node.models import turn
from retac_node.models.layers import apart
from retac_node.ops.carry import COARSE, spared


def track(frames: int = 5) -> FaceTrack:
    windows = np.tile(np.array([[1, 0, -100], [0, 1, -60]], np.float32), (frames, 1, 1))
    poses = np.tile(np.array([0.0, 0.0, 0.8], np.float32), (frames, 1))
    none: Any = np.zeros((frames, 1), np.float32)
    return FaceTrack(
        none[0], none[0], none, 0 * poses, poses, none, 800.0, windows, 320, none, np.ones(frames), 520, 440
    )


def motion(rotation: Sequence[float]) -> Motion:
    own = track()
    turned = own.rotation + np.array(rotation, np.float32)
    return Motion(25.0, own.expression, turned, own.translation, np.arange(5, dtype=np.int32), ())


def test_a_pose_as_the_plate_has_it_needs_no_turn_and_no_room() -> None:
    assert turn.roomy(track(), motion((0, 0, 0))).crop_size == 320
    assert turn.turn(track(), 2, np.zeros(3, np.float32), track().translation[2]) is None


def test_an_edited_motion_gets_wider_windows_around_the_same_middle() -> None:
    room = turn.roomy(track(), motion((0, 0.1, 0)))
    assert room.crop_size == 512
    before, after = (-one.crop_from_frame[:, :, 2] + one.crop_size / 2 for one in (track(), room))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("axis", range(3))
def test_a_pose_too_far_is_held_and_told(axis: int) -> None:
    asked = np.zeros(3)
    asked[axis] = np.radians(20)
    held, beyond = turn.reachable(track(), motion(asked.tolist()))
    assert np.degrees(held.rotation[:, axis]) == pytest.approx(12, abs=1e-3)
    assert np.degrees(beyond) == pytest.approx(8, abs=1e-3)


def rolled() -> tuple[turn.Turn, np.ndarray]:
    way = turn.turn(track(), 0, np.array([0, 0, 0.2], np.float32), track().translation[0])
    assert way is not None
    circle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.column_stack([way.centre[0] + 80 * np.cos(circle), way.centre[1] + 80 * np.sin(circle), circle * 0 + 0.8])
    return way, turn.follow(way, ring.astype(np.float32), ring.astype(np.float32), 320, 320)


def test_hair_goes_with_the_head_as_one_and_what_is_far_stays() -> None:
    way, field = rolled()
    x, y = (way.centre / COARSE).astype(int)
    there = (np.array([x, y - 20]) + 0.5) * COARSE - way.centre  # above the middle, on the head
    back = np.array([[np.cos(0.2), np.sin(0.2)], [-np.sin(0.2), np.cos(0.2)]])
    np.testing.assert_allclose(field[y - 20, x], back @ there - there, atol=0.4)
    places = np.array([[0.3, 0], [0, 0.25], [0, -0.35], [0, -0.1]], np.float32)
    np.testing.assert_array_equal(turn.weight(places), [0, 0, 0, 1])


def test_the_field_never_tears() -> None:
    _, field = rolled()
    steps = [np.diff(field, axis=axis)[..., 1 - axis] / COARSE for axis in (0, 1)]
    assert min(step.min() for step in steps) > -1, "a step below -1 turns the picture over"


def test_nothing_is_pulled_from_beyond_the_plate() -> None:
    way, _ = rolled()
    left, top, right, bottom = way.plate
    bent = turn.within(way, np.full((320, 320, 2), -400, np.float32))
    x, y = np.meshgrid(np.arange(320) + 0.5, np.arange(320) + 0.5)
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    assert ((x + bent[..., 0])[inside] >= left).all()
    assert ((y + bent[..., 1])[inside] >= top).all()


def test_what_is_behind_the_person_stays_straight() -> None:
    plate = np.repeat((np.arange(120) // 10 % 2 * 200).astype(np.uint8)[:, None], 120, 1)[..., None].repeat(3, 2)
    alpha = np.zeros((120, 120), np.float32)
    alpha[40:80, 40:80] = 1
    plate[40:80, 40:80] = (250, 40, 40)
    field = np.zeros((120, 120, 2), np.float32)
    field[20:100, 20:100, 0] = -8
    carried = np.roll(plate, 8, axis=1)
    picture, touched = apart(plate, alpha, field, carried)
    np.testing.assert_array_equal(picture[45:75, 52:84], np.full((30, 32, 3), (250, 40, 40)))
    np.testing.assert_array_equal(picture[22:34, 25:95], plate[22:34, 25:95])
    assert touched[10, 10] == 0


def test_what_is_held_neither_moves_nor_shows_twice() -> None:
    held = np.zeros((60, 60), np.float32)
    held[20:40, 20:40] = 1
    free = spared(np.full((60, 60, 2), 6, np.float32), held)
    assert np.abs(free[20:40, 20:40]).max() == 0
    assert np.abs(free[16:33, 16:33]).max() < 1e-3, "the held part would be pulled there"
    assert free[50, 50, 0] == 6


def test_the_turn_knows_the_windows_scale() -> None:
    small = dataclasses.replace(track(), crop_from_frame=track().crop_from_frame / 2)
    way = turn.turn(small, 0, np.array([0, 0, 0.2], np.float32), small.translation[0])
    assert way is not None
    assert way.focal == 400
