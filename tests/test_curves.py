"""Curves and axes of the Blender add-on, by their properties; no Blender."""

import numpy as np
import pytest

from blender_addon import axes, curves


def rough(frames: int = 90, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(0, 0.03, frames))


@pytest.mark.parametrize("tolerance", [0.003, 0.01, 0.1])
def test_sparse_curves_stay_within_their_tolerance(tolerance: float) -> None:
    values = rough()
    spline = curves.sparse(values, tolerance)
    assert np.abs(curves.evaluate(spline, np.arange(90)) - values).max() <= tolerance
    assert spline.frames[0] == 0
    assert spline.frames[-1] == 89


def test_a_cubic_needs_no_knots_within() -> None:
    t = np.linspace(-1, 1, 60)
    assert len(curves.sparse(t**3 - t, 1e-3).frames) == 2


def test_a_smooth_curve_needs_few_knots_and_a_larger_tolerance_fewer() -> None:
    wave = np.sin(np.linspace(0, 4 * np.pi, 100))
    few, fewer = (len(curves.sparse(wave, tolerance).frames) for tolerance in (0.01, 0.1))
    assert fewer < few < 25


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_curves_have_splines_too(frames: int) -> None:
    values = rough(frames)
    assert np.allclose(curves.evaluate(curves.sparse(values, 1e-6), np.arange(frames)), values, atol=1e-6)


def test_handles_lie_on_one_line_with_their_key() -> None:
    spline = curves.sparse(rough(), 0.02)
    left, right = spline.handles()
    lean = (right[:, 1] - left[:, 1]) / (right[:, 0] - left[:, 0])
    assert np.allclose(lean, spline.slopes)
    assert (left[:, 0] < spline.frames).all()
    assert (right[:, 0] > spline.frames).all()


def test_the_tridiagonal_solver_solves() -> None:
    rng = np.random.default_rng(1)
    diagonal, beside, right = rng.uniform(3, 4, 7), rng.uniform(-1, 1, 6), rng.normal(size=7)
    full = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    assert np.allclose(curves.tridiagonal(diagonal, beside, right), np.linalg.solve(full, right))


def test_weights_are_one_where_they_rule_and_fade_to_nothing() -> None:
    frames = np.arange(20.0)
    bell = curves.bell(frames, 8, 11, 3)
    assert (bell[8:12] == 1).all()
    assert (bell[[5, 14]] == 0).all()
    assert curves.hump(frames, 6, 3)[6] == 1
    assert (curves.ends(10, 3)[[0, 9]] == 1).all()
    assert (curves.ends(10, 3)[3:7] == 0).all()


def test_runs_are_found_at_both_ends() -> None:
    assert curves.runs(np.array([1, 1, 0, 0, 1, 0, 1], bool)) == [(0, 2), (4, 5), (6, 7)]


def test_turns_come_back_from_blenders_angles() -> None:
    turns = np.random.default_rng(0).normal(0, 0.6, (300, 3))
    back = axes.turn_from_euler(axes.euler_from_turn(turns).astype(np.float32))
    assert np.abs(back - turns).max() < 1e-6


def test_points_come_back_and_a_face_looks_along_minus_y() -> None:
    points = np.random.default_rng(0).normal(size=(9, 3))
    assert np.array_equal(axes.from_blender(axes.to_blender(points)), points)
    nose, crown = axes.to_blender(np.array([[0.0, 0, -1], [0, -1, 0]]))
    assert nose.tolist() == [0, -1, 0]
    assert crown.tolist() == [0, 0, 1]


def test_a_turn_acts_alike_in_both_systems() -> None:
    turns, point = np.random.default_rng(2).normal(0, 0.5, (20, 3)), np.array([0.1, -0.2, 0.3])
    ours = axes.to_blender(axes.matrices(turns) @ point)
    assert np.allclose(ours, axes.matrices(axes.to_blender(turns)) @ axes.to_blender(point))


def test_a_head_that_lies_on_its_side_has_smooth_angles() -> None:
    side = np.array([[0.05 * np.sin(n / 5), 0.04 * np.cos(n / 7), np.pi / 2 + 0.03 * np.sin(n / 3)] for n in range(90)])
    assert np.abs(np.diff(axes.euler_from_turn(side), axis=0)).max() < 0.05
