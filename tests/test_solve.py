"""The fit of the head to landmarks: what is put in comes out again."""

import numpy as np
import pytest
import torch

from retac_node.models.head import Head, load_head
from retac_node.models.landmarks3d import landmark_basis, suggested
from retac_node.ops.conjugate import curvature
from retac_node.ops.geometry import project, rotation_matrix, rotation_matrix_torch
from retac_node.ops.solve import Observed, Solved, slide, solve, start_pose, viewed

FRAMES, FOCAL, SIDE = 40, 900.0, 640


def performance(head: Head) -> Solved:
    """Makes a head that turns and speaks."""
    random = np.random.default_rng(1)
    t = np.linspace(0, 2 * np.pi, FRAMES, dtype=np.float32)
    expression = np.zeros((FRAMES, len(head.expression_names)), np.float32)
    expression[:, head.unit("jawOpen")] = 0.25 + 0.25 * np.sin(3 * t)
    expression[:, head.unit("mouthPucker")] = 0.2 + 0.2 * np.cos(2 * t)
    rotation = np.stack([0.05 * np.sin(t), 0.2 * np.cos(t), 0.04 * np.sin(2 * t)], 1).astype(np.float32)
    translation = np.stack([0.01 * np.sin(t), 0.01 * np.cos(t), 0.7 + 0 * t], 1).astype(np.float32)
    identity = random.normal(0, 0.7, len(head.identity)).astype(np.float32)
    return Solved(identity, expression, rotation, translation, FOCAL, np.zeros(FRAMES, np.float32))


def observed(head: Head, true: Solved) -> Observed:
    """Shows the performance as the landmark net would, its lean included."""
    basis = landmark_basis(head)
    shape = basis.mean + np.tensordot(true.identity, basis.identity, 1)
    rotation = rotation_matrix(true.rotation)
    side = viewed(torch.as_tensor(rotation), torch.as_tensor(true.translation)).numpy()  # (T, 5)
    points = shape + np.tensordot(true.expression, basis.expression, 1) + np.tensordot(side, basis.turn, 1)
    seen = project(points @ rotation.swapaxes(1, 2) + true.translation[:, None], FOCAL, SIDE, SIDE)
    seen[..., 2] = (seen[..., 2] - 0.7) * FOCAL / 0.7
    prior, trust = suggested(head, np.zeros((FRAMES, 52), np.float32))
    return Observed(seen, np.ones(FRAMES, np.float32), prior, trust * 0, SIDE, SIDE)


@pytest.fixture(scope="module")
def fitted() -> tuple[Head, Solved, Solved]:
    head = load_head()
    true = performance(head)
    return head, true, solve(landmark_basis(head), observed(head, true), lambda fraction: None)


def degrees_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    turn = rotation_matrix(a.astype(np.float64)) @ rotation_matrix(b.astype(np.float64)).swapaxes(-1, -2)
    return np.rad2deg(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1)))


def test_a_known_performance_is_found_again(fitted: tuple[Head, Solved, Solved]) -> None:
    head, true, found = fitted
    jaw = head.unit("jawOpen")
    assert found.error.mean() < 0.5  # percent of the eye distance
    assert degrees_apart(found.rotation, true.rotation).mean() < 1.5
    assert np.corrcoef(found.expression[:, jaw], true.expression[:, jaw])[0, 1] > 0.98


def test_activations_stay_in_their_bounds(fitted: tuple[Head, Solved, Solved]) -> None:
    head, _, found = fitted
    lower = landmark_basis(head).lower
    assert (found.expression >= lower - 1e-5).all()
    assert (found.expression <= 1.2 + 1e-5).all()


def test_a_given_identity_is_kept() -> None:
    head = load_head()
    true = performance(head)
    found = solve(landmark_basis(head), observed(head, true), lambda fraction: None, steps=3, identity=true.identity)
    np.testing.assert_array_equal(found.identity, true.identity)
    assert found.error.mean() < 0.5


def test_the_start_is_near_where_the_head_is() -> None:
    head = load_head()
    true = performance(head)
    rotation, translation = start_pose(landmark_basis(head), observed(head, true), FOCAL)
    assert degrees_apart(rotation, true.rotation).max() < 12
    np.testing.assert_allclose(translation[:, 2], 0.7, rtol=0.15)


def test_curvature_is_the_second_difference_times_its_transpose() -> None:

    x = torch.randn(9, 2, dtype=torch.float64)
    D = torch.zeros(7, 9, dtype=torch.float64)
    for i in range(7):
        D[i, i : i + 3] = torch.tensor([1.0, -2.0, 1.0])
    torch.testing.assert_close(curvature(x), D.T @ (D @ x))


def test_slide_is_the_slope_of_the_view() -> None:
    rotation = rotation_matrix_torch(torch.tensor([[0.2, -0.3, 0.1]], dtype=torch.float64))
    place = torch.tensor([[0.1, -0.05, 0.8]], dtype=torch.float64)
    for axis in range(3):
        turn = 1e-6 * torch.eye(3, dtype=torch.float64)[axis : axis + 1]
        slope = (viewed(rotation_matrix_torch(turn) @ rotation, place) - viewed(rotation, place)) / 1e-6
        torch.testing.assert_close(slope, slide(rotation, place)[..., axis], atol=1e-5, rtol=0)
