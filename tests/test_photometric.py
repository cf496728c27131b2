"""The pattern of the skin: read where it is, and pulling the activations towards the true ones."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from retac_node.models.head import load_head
from retac_node.models.landmarks3d import bare_skin
from retac_node.ops.geometry import project, rotation_matrix
from retac_node.ops.photometric import SIZE, UNIT, Placed, Watched, pattern_equations, sample, unexplained

FRAMES, FOCAL = 24, 150.0


def placed(expression: np.ndarray) -> Placed:
    """A head 0.6 m away that nods and shakes a little."""
    t = np.linspace(0, 6, FRAMES)
    turned = np.stack([0.05 * np.sin(t), 0.08 * np.cos(t), 0 * t], 1).astype(np.float32)
    return Placed(
        torch.zeros(len(load_head().identity)),
        torch.tensor(expression),
        torch.tensor(rotation_matrix(turned), dtype=torch.float32),
        torch.tensor([[0.0, 0.0, 0.6]]).repeat(FRAMES, 1),
        FOCAL,
        torch.tensor(turned),
    )


def painted(true: Placed) -> Watched:
    """Shows random speckles that move with the skin: each pixel takes the speckle of the nearest point of skin."""
    skin = bare_skin(load_head())
    speckle = gaussian_filter(np.random.default_rng(0).normal(0, 1, (64, 64, 64)), 1.2)
    place = ((skin.mean - skin.mean.min(0)) / np.ptp(skin.mean) * 63).astype(int)
    value = speckle[tuple(place.T)] / speckle.std() * 30  # (P,)
    pictures = np.zeros((FRAMES, SIZE, SIZE), np.float32)
    points = skin.mean + np.tensordot(true.expression.numpy(), skin.expression, 1)
    points = points @ true.rotation.numpy().swapaxes(1, 2) + true.translation.numpy()[:, None]
    for t in range(FRAMES):
        pixel = project(points[t], FOCAL, SIZE, SIZE)[:, :2]
        y, x = np.mgrid[:SIZE, :SIZE] + 0.5
        near = np.exp(-((x[..., None] - pixel[:, 0]) ** 2 + (y[..., None] - pixel[:, 1]) ** 2) / 2)
        pictures[t] = (near @ value) / (near.sum(-1) + 1e-3)
    tensor = [torch.tensor(part) for part in (skin.mean, skin.normal, skin.identity, skin.expression)]
    whole = torch.eye(2, 3).repeat(FRAMES, 1, 1)
    pattern = torch.tensor(np.clip(pictures, -127, 127).astype(np.int8))
    return Watched(*tensor, pattern, whole, torch.ones(FRAMES), torch.tensor([SIZE / 2, SIZE / 2]))


def test_the_slope_is_that_of_the_value() -> None:
    picture = gaussian_filter(np.random.default_rng(1).normal(0, 1, (1, SIZE, SIZE)), (0, 4, 4))
    pattern = torch.tensor((picture / picture.std() * 40).clip(-127, 127).astype(np.int8))
    at = torch.rand(1, 500, 2, generator=torch.Generator().manual_seed(0)) * (SIZE - 8) + 4
    _, slope = sample(pattern, at)
    step = torch.tensor([1.0, 0.0])
    apart = (sample(pattern, at + step)[0] - sample(pattern, at - step)[0]) / 2
    assert (slope[..., 0] - apart).abs().mean() < 0.15 * apart.abs().mean()
    assert slope.abs().max() < 127 / UNIT


def test_what_goes_with_the_pose_is_no_error() -> None:
    turned = placed(np.zeros((FRAMES, 64), np.float32)).turned
    value = 0.3 + turned @ torch.tensor([[0.5], [-0.2], [0.0]]) + (turned[:, :1] * turned[:, 1:2]) * 0.4
    assert unexplained(value, torch.ones(FRAMES, 1), turned).abs().max() < 0.01
    jumps = value + torch.tensor([0.1, -0.1] * (FRAMES // 2))[:, None]
    assert unexplained(jumps, torch.ones(FRAMES, 1), turned).abs().mean() > 0.05


def test_a_step_leads_to_the_true_expression() -> None:
    head = load_head()
    smile = head.unit("mouthSmileLeft")
    true = np.zeros((FRAMES, len(head.expression_names)), np.float32)
    true[:, smile] = 0.3 + 0.3 * np.sin(np.arange(FRAMES) * 1.7)
    seen = painted(placed(true))
    guess = np.full_like(true, 0)
    guess[:, smile] = 0.3
    own, pull = pattern_equations(seen, placed(guess), 8)
    step = pull[:, smile] / own[:, smile, smile]
    assert np.corrcoef(step.numpy(), true[:, smile] - 0.3)[0, 1] > 0.9
