"""All rasterisers draw what a slow one draws, pixel by pixel; and outlines are drawn as finely as they are asked for."""

import numpy as np
import pytest
import torch

from retac_node.models.head import load_head, posed
from retac_node.ops import raster_torch
from retac_node.ops.geometry import project
from retac_node.ops.raster import Raster, interpolate, rasterise
from retac_node.ops.raster_edges import coverage, edges
from retac_node.ops.rasterisers import BY_DEVICE, RASTERISERS, Rasterise, installed, rasteriser

SIDE = 20
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
EVERY = [(name, device) for name in installed() for device in (["cpu"] if name == "numba" else DEVICES)]
BETWEEN = 0.005  # of the pixels may be another triangle's than in the slow version: their centre lies on an edge


@pytest.fixture(params=EVERY, ids=["-".join(pair) for pair in EVERY])
def draw(request: pytest.FixtureRequest) -> Rasterise:
    name, device = request.param
    return RASTERISERS[name](device)


def random_frames(frames: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3 count, 3) corners of triangles that hang over all borders of the picture."""
    random = np.random.default_rng(1)
    flat = random.uniform(-6, SIDE + 6, (frames, 3 * count, 2))
    points = np.concatenate([flat, random.uniform(1, 3, (frames, 3 * count, 1))], -1).astype(np.float32)
    return points, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def slow(vertices: np.ndarray, triangles: np.ndarray, height: int, width: int) -> Raster:
    """Asks every pixel centre of one frame about every triangle."""
    triangle, bary = np.full((height, width), -1, np.int32), np.zeros((height, width, 3))
    depth = np.full((height, width), np.inf)
    for f, corners in enumerate(vertices[triangles].astype(float)):
        system = np.vstack([corners[:, :2].T, np.ones(3)])
        if not np.isfinite(corners).all() or (corners[:, 2] <= 0).any() or abs(np.linalg.det(system)) < 1e-12:
            continue
        for i, j in np.ndindex(height, width):
            parts = np.linalg.solve(system, [j + 0.5, i + 0.5, 1]) / corners[:, 2]
            z = 1 / parts.sum() if (parts >= 0).all() else np.inf
            if z < depth[i, j]:
                triangle[i, j], bary[i, j], depth[i, j] = f, parts * z, z
    return Raster(triangle, bary.astype(np.float32), depth.astype(np.float32))


def agree(found: Raster, meant: Raster) -> None:
    same = found.triangle == meant.triangle
    assert (~same).mean() <= BETWEEN
    np.testing.assert_allclose(found.depth[same], meant.depth[same], rtol=1e-5)
    np.testing.assert_allclose(found.bary[same], meant.bary[same], atol=1e-4)


def test_every_rasteriser_agrees_with_the_slow_one(draw: Rasterise) -> None:
    vertices, triangles = random_frames(2, 10)
    found = draw(vertices, triangles, SIDE, SIDE + 7)
    for k in range(2):
        agree(Raster(found.triangle[k], found.bary[k], found.depth[k]), slow(vertices[k], triangles, SIDE, SIDE + 7))


def test_every_rasteriser_draws_the_head_as_numba_does(draw: Rasterise) -> None:
    head = load_head()
    turned = posed(head.mean[None], np.array([[0.1, 0.4, 0]], np.float32), np.array([[0, 0, 0.7]], np.float32))
    at = project(turned, 300.0, 128, 128).astype(np.float32)
    found, meant = draw(at, head.triangles, 128, 128), rasterise(at[0], head.triangles, 128, 128)
    agree(Raster(found.triangle[0], found.bary[0], found.depth[0]), meant)


def test_the_same_bytes_come_twice_and_alone(draw: Rasterise) -> None:
    vertices, triangles = random_frames(3, 12)
    first, again = (draw(vertices, triangles, SIDE, SIDE) for _ in range(2))
    alone = draw(vertices[1:2], triangles, SIDE, SIDE)
    for name in ("triangle", "bary", "depth"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
        assert getattr(first, name)[1].tobytes() == getattr(alone, name)[0].tobytes()


def test_what_has_no_area_or_lies_behind_or_is_not_finite_is_left_out(draw: Rasterise) -> None:
    vertices, triangles = random_frames(1, 5)
    vertices[0, 0, 2], vertices[0, 3, 0], vertices[0, 6, 2] = -1, np.nan, np.inf
    vertices[0, 9] = vertices[0, 10]  # the fourth is a line
    assert set(np.unique(draw(vertices, triangles, SIDE, SIDE).triangle)) <= {-1, 4}


def test_what_is_off_the_picture_leaves_it_empty(draw: Rasterise) -> None:
    vertices, triangles = random_frames(1, 5)
    vertices[..., 0] += 100
    found = draw(vertices, triangles, SIDE, SIDE)
    assert (found.triangle == -1).all()
    assert np.isinf(found.depth).all()
    assert (found.bary == 0).all()


def test_torch_in_small_blocks_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, triangles = random_frames(2, 12)
    whole = raster_torch.rasterise_frames(vertices, triangles, SIDE, SIDE, "cpu")
    monkeypatch.setattr(raster_torch, "BLOCK", 37)
    parts = raster_torch.rasterise_frames(vertices, triangles, SIDE, SIDE, "cpu")
    np.testing.assert_array_equal(parts.triangle, whole.triangle)
    np.testing.assert_array_equal(parts.bary, whole.bary)


def test_each_device_has_its_rasteriser() -> None:
    assert BY_DEVICE.keys() == {"cpu", "cuda"}
    vertices, triangles = random_frames(1, 3)
    agree(
        rasteriser("cpu")(vertices, triangles, SIDE, SIDE), RASTERISERS["torch"]("cpu")(vertices, triangles, SIDE, SIDE)
    )


def test_coverage_of_an_edge_is_the_share_of_the_pixel() -> None:
    square = np.array([[3.25, 4.5, 1], [12.75, 4.5, 1], [12.75, 11.0, 1], [3.25, 11.0, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    raster = rasterise(square, triangles, SIDE, SIDE)
    share = coverage(raster, edges(raster, square, triangles, 0.01))
    np.testing.assert_allclose(share[7, 2:5], [0, 0.75, 1], atol=1 / 32)
    np.testing.assert_allclose(share[3:6, 8], [0, 0.5, 1], atol=1 / 32)
    assert abs(share.sum() - 9.5 * 6.5) < 0.1


def test_samples_on_an_inner_outline_see_both_surfaces() -> None:
    behind = np.array([[-5, -5, 2], [60, -5, 2], [-5, 60, 2]], np.float32)
    before = np.array([[10.25, -5, 1], [60, -5, 1], [10.25, 60, 1]], np.float32)
    vertices, triangles = np.concatenate([behind, before]), np.arange(6, dtype=np.int32).reshape(2, 3)
    raster = rasterise(vertices, triangles, SIDE, SIDE)
    found = edges(raster, vertices, triangles, 0.1)
    here = np.flatnonzero((found.at[0] == 5) & (found.at[1] == 10))
    assert (found.samples.triangle[here] == 1).mean() == 0.75
    depth = interpolate(found.samples, triangles, vertices[:, 2:])[here]
    np.testing.assert_allclose(depth[..., 0], found.samples.depth[here], rtol=1e-5)


def test_a_steep_slope_is_no_outline() -> None:
    slope = np.array([[-40, -40, 1], [80, -40, 13], [-40, 80, 1]], np.float32)
    triangles = np.array([[0, 1, 2]], np.int32)
    raster = rasterise(slope, triangles, SIDE, SIDE)
    assert len(edges(raster, slope, triangles, 0.05).at[0]) == 0
