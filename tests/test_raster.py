"""The rasteriser equals its slow version; light, rotations and projection keep their laws."""

import numpy as np
import torch

from retac_node.ops.geometry import axis_angle, project, rotation_matrix, rotation_matrix_torch
from retac_node.ops.light import even_light, sh_basis, shade
from retac_node.ops.raster import interpolate, rasterise, rasterise_frames, vertex_normals

RNG = np.random.default_rng(0)
SIDE = 24


def random_triangles(count):
    vertices = np.concatenate([RNG.uniform(-4, SIDE + 4, (3 * count, 2)), RNG.uniform(1, 3, (3 * count, 1))], axis=1)
    return vertices.astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def slow_depth(vertices, triangle, x, y):
    """Solves for the point of the triangle's plane that projects to (x, y); infinite when it is outside."""
    corners = vertices[triangle].astype(float)
    system = np.vstack([corners[:, :2].T, np.ones(3)])
    weights = np.linalg.solve(system, [x, y, 1])
    return 1 / (weights / corners[:, 2]).sum() if (weights >= 0).all() else np.inf


def test_the_nearest_triangle_wins_at_each_pixel_centre():
    vertices, triangles = random_triangles(12)
    raster = rasterise(vertices, triangles, SIDE, SIDE)
    for i in range(SIDE):
        for j in range(SIDE):
            depths = [slow_depth(vertices, triangle, j + 0.5, i + 0.5) for triangle in triangles]
            assert np.isclose(raster.depth[i, j], min(depths), rtol=1e-3)
            if np.isfinite(min(depths)):
                assert np.isclose(depths[raster.triangle[i, j]], min(depths), rtol=1e-3)


def test_weights_are_perspective_correct():
    camera = np.array([[-0.5, -0.5, 1.0], [0.5, -0.4, 2.0], [0.1, 0.6, 1.5]], np.float32)
    pixels = project(camera, 30.0, SIDE, SIDE)
    triangles = np.array([[0, 1, 2]], np.int32)
    raster = rasterise(pixels, triangles, SIDE, SIDE)
    points = interpolate(raster, triangles, camera)  # (h, w, 3) back in the camera
    i, j = np.nonzero(raster.triangle == 0)
    assert len(i) > 20
    np.testing.assert_allclose(project(points[i, j], 30.0, SIDE, SIDE)[:, :2], np.stack([j, i], 1) + 0.5, atol=1e-3)


def test_a_mesh_shares_every_pixel_out_without_holes():
    grid = np.stack(np.meshgrid(np.arange(5) * 6.0, np.arange(5) * 6.0, [1.0]), -1).reshape(-1, 3)
    square = np.array([[0, 1, 5], [1, 6, 5]])
    triangles = np.concatenate([square + row * 5 + column for row in range(4) for column in range(4)]).astype(np.int32)
    assert (rasterise(grid, triangles, SIDE, SIDE).triangle >= 0).all()


def test_what_is_behind_the_camera_or_not_finite_is_left_out():
    vertices, triangles = random_triangles(4)
    vertices[0, 2], vertices[3, 0], vertices[6, 2] = -1, np.nan, np.inf
    seen = np.unique(rasterise(vertices, triangles, SIDE, SIDE).triangle)
    assert 0 not in seen
    assert 1 not in seen


def test_frames_together_equal_frames_alone():
    frames = np.stack([random_triangles(9)[0] for _ in range(3)])
    triangles = np.arange(27, dtype=np.int32).reshape(-1, 3)
    together = rasterise_frames(frames, triangles, SIDE, SIDE)
    for k in range(3):
        alone = rasterise(frames[k], triangles, SIDE, SIDE)
        np.testing.assert_array_equal(together.triangle[k], alone.triangle)
        np.testing.assert_array_equal(together.bary[k], alone.bary)


def test_normals_point_outwards_and_ignore_seams():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], np.float32) - 0.25
    triangles = np.array([[0, 2, 1], [0, 1, 3], [0, 4, 2], [1, 2, 4]], np.int32)  # vertex 4 is vertex 3's twin
    normals = vertex_normals(points, triangles, np.array([0, 1, 2, 3, 3], np.int32))
    assert ((normals * points).sum(-1) > 0).all()
    np.testing.assert_array_equal(normals[3], normals[4])
    np.testing.assert_allclose(vertex_normals(points[None], triangles, np.array([0, 1, 2, 3, 3], np.int32))[0], normals)


def test_rotations_agree_and_turn_back():
    vectors = np.concatenate([RNG.normal(size=(20, 3)), RNG.normal(size=(5, 3)) * 1e-6, np.zeros((1, 3)),
                              [[np.pi, 0, 0], [0, -np.pi + 1e-7, 0], [2.2, 2.2, 0.1]]])  # fmt: skip
    matrices = rotation_matrix(vectors)
    np.testing.assert_allclose(matrices, rotation_matrix_torch(torch.tensor(vectors)).numpy(), atol=1e-12)
    np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), np.tile(np.eye(3), (len(vectors), 1, 1)), atol=1e-9)
    np.testing.assert_allclose(rotation_matrix(axis_angle(matrices)), matrices, atol=1e-7)
    np.testing.assert_allclose(rotation_matrix(np.array([0, np.pi / 2, 0])) @ [0, 0, -1.0], [-1, 0, 0], atol=1e-12)


def test_the_rotation_has_a_gradient_everywhere():
    vectors = torch.tensor([[0.0, 0, 0], [1e-5, 0, 0], [0.4, -0.2, 1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_matrix_torch, vectors)


def test_projection_of_arrays_and_tensors_agree():
    points = RNG.normal(size=(2, 5, 3)) + [0, 0, 5]
    expected = project(points, 700.0, 640, 480)
    np.testing.assert_allclose(project(torch.tensor(points), 700.0, 640, 480).numpy(), expected)
    np.testing.assert_allclose(project(np.array([0.0, 0, 2]), 700.0, 640, 480), [320, 240, 2])


def test_the_light_basis_is_orthonormal_on_the_sphere():
    normals = RNG.normal(size=(200_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    basis = sh_basis(normals)
    np.testing.assert_allclose(4 * np.pi * basis.T @ basis / len(basis), np.eye(9), atol=0.03)
    np.testing.assert_allclose(sh_basis(torch.tensor(normals[:9])).numpy(), basis[:9])
    np.testing.assert_allclose(shade(np.full((4, 3), 0.5), normals[:4], even_light()), 0.5, rtol=1e-5)
