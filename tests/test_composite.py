"""The last step before the plate: what stands in front, and the grain."""

import numpy as np

from retac_node.models.occlusion import disputed, held, joined_up
from retac_node.ops.blend import moved_by
from retac_node.ops.grain import noise, with_grain
from retac_node.ops.window import cut
from retac_node.stages.composite import laid

EVERYWHERE = np.ones((96, 96), bool)


def noisy(deviation: float, seed: int = 0) -> np.ndarray:
    ramp = np.linspace(60, 180, 96)[None, :, None]
    grain = np.random.default_rng(seed).normal(0, deviation, (96, 96, 1))
    return np.clip(np.rint(ramp + grain).repeat(3, 2), 0, 255).astype(np.uint8)


def test_grain_is_measured_past_slopes() -> None:
    assert abs(noise(noisy(4), EVERYWHERE) - 4) < 0.4
    assert noise(noisy(0), EVERYWHERE) < 0.4


def test_a_smooth_patch_gets_the_plates_grain_the_same_each_time() -> None:
    matte = np.full((96, 96), 255, np.uint8)
    made = with_grain(noisy(0), noisy(4), matte, 7)
    assert abs(noise(np.clip(np.rint(made), 0, 255).astype(np.uint8), EVERYWHERE) - 4) < 0.6
    np.testing.assert_array_equal(made, with_grain(noisy(0), noisy(4), matte, 7))
    assert (made != with_grain(noisy(0), noisy(4), matte, 8)).any()


def test_a_patch_as_grainy_as_the_plate_is_left_alone() -> None:
    patch = noisy(4, 1)
    np.testing.assert_array_equal(with_grain(patch, noisy(4), np.full((96, 96), 255, np.uint8), 0), patch)


def test_outside_the_matte_the_plate_stays_bit_for_bit_over_its_edge_too() -> None:
    plate, patch = noisy(5), noisy(0)[:64, :64]
    matte = np.zeros((64, 64), np.uint8)
    matte[20:40, 20:40] = 255
    corner = np.array([50, -10])
    got = laid(plate, corner, patch, matte, 0)
    square = np.array([[1, 0, -50], [0, 1, 10]], np.float32)
    np.testing.assert_array_equal(got[matte == 0], cut(plate, square, 64)[matte == 0])
    assert (got[20:40, 20:40] != cut(plate, square, 64)[20:40, 20:40]).any()


def test_a_window_beside_the_plate_repeats_its_edge() -> None:
    plate = noisy(5)
    far = cut(plate, np.array([[1, 0, -400], [0, 1, 0]], np.float32), 96)
    np.testing.assert_array_equal(far, plate[:, -1:].repeat(96, 1))


def test_a_hand_is_followed_below_the_chin_and_a_sliver_of_neck_is_not() -> None:
    inside, deep, beyond = (np.zeros((160, 160), np.float32) for _ in range(3))
    inside[60:120, 40:60] = deep[60:100, 40:60] = 1  # a finger over the face
    beyond[60:130, 40:60] = 1  # which goes on below it
    inside[112:120, 100:140] = beyond[112:160, 100:140] = 1  # the neck behind the chin
    found = joined_up(deep, inside, beyond)
    assert found[124, 50] > 0.9
    assert found[:, 100:].max() == 0


def test_the_edge_of_what_is_in_front_falls_on_the_plates_own() -> None:
    plate = np.full((512, 512, 3), 60, np.uint8)
    plate[:, 256:] = 190
    rough = np.zeros((128, 128), np.uint8)
    rough[:, 65:] = 255  # four pixels off
    found = held(rough, plate)
    assert found[:, 262:].min() > 0.9
    assert found[:, :250].max() < 0.1
    assert found[:, 257].min() > found[:, 254].max() + 0.3, "the step is not where the plate has it"


def test_shapes_add_up() -> None:
    dice = np.random.default_rng(0)
    still, basis = dice.normal(size=30).astype(np.float32), dice.normal(size=(7, 30)).astype(np.float32)
    weights = np.array([0.5, 0, 0, 0.2, 0, -1, 0], np.float32)
    np.testing.assert_allclose(moved_by(still, basis, weights), still + weights @ basis, atol=1e-5)


def test_what_is_strange_beside_a_hand_is_in_front_as_well() -> None:
    painted, there = np.full((200, 200, 3), 120.0, np.float32), np.ones((200, 200), np.float32)
    before = np.zeros((200, 200), np.float32)
    before[80:120, 80:120] = 1  # what the segmentation found
    crop = np.random.default_rng(0).normal(120, 3, (200, 200, 3)).clip(0, 255).astype(np.uint8)
    crop[80:120, 120:123] = 20  # a shadow between fingers
    crop[10:20, 10:20] = 20  # far away
    found = disputed(before, crop, painted, there)
    assert found[100, 121] > 0.8
    assert (found >= before).all()
    assert found[15, 15] < 0.05
    assert found[100, 160] < 0.05
