"""What the skin's own pattern says of the expression: a mole, a wrinkle or a pore moves with the skin that it is on.

Each frame is kept as a small picture.  A point of the skin must show the same fine contrast in all of them, but for
what goes with the pose: light is not painted on, and the shade beside a nose wanders as the head turns.  So the pattern
tells what the face does beside the pose, and nothing of the pose.  It never draws.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retac_node.data import F32, U8

SIZE = 128  # pixels across a glimpse
FINE, ROUGH = 0.8, 2.0  # pixels of a glimpse: blurs between which the pattern lies
UNIT = 400.0  # steps of int8 for a contrast of 1
DARKEST = 8.0  # of 255, added to the brightness that contrast is relative to
FACING = 0.25  # cosine of the angle to the camera from which on a point counts
HUBER = 1.5  # standard deviations, beyond which a difference counts linearly
PRICE = 1.0  # of the mean square difference, in units of its variance, beside the landmarks' terms
RIDGE = 1e-3  # of the regression on the pose, per frame


@dataclass(frozen=True)
class Skin:
    """Points of the head's skin that are bare and turn with the head."""

    mean: F32  # (P, 3) metres, head space
    normal: F32  # (P, 3) unit, outwards
    identity: F32  # (S, P, 3)
    expression: F32  # (E, P, 3)


@dataclass(frozen=True)
class Glimpses:
    """The face in each frame, small."""

    rgb: U8  # (T, SIZE, SIZE, 3)
    glimpse_from_frame: F32  # (T, 2, 3)


def pattern(glimpse: U8) -> NDArray[np.int8]:
    """Gives the fine contrast (SIZE, SIZE), relative to the brightness around and times UNIT, of (SIZE, SIZE, 3)."""
    grey = cv2.cvtColor(glimpse, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, rough = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (FINE, ROUGH))
    return np.clip((fine - rough) / (rough + DARKEST) * UNIT, -127, 127).astype(np.int8)


@dataclass(frozen=True)
class Watched:
    """Skin and glimpses as tensors."""

    mean: Tensor  # (P, 3)
    normal: Tensor  # (P, 3)
    identity: Tensor  # (S, P, 3)
    expression: Tensor  # (E, P, 3)
    pattern: Tensor  # (T, SIZE, SIZE) int8
    glimpse_from_frame: Tensor  # (T, 2, 3)
    trust: Tensor  # (T,) [0, 1]
    middle: Tensor  # (2,) of the plate, pixels


def watched(skin: Skin, glimpses: Glimpses, confidence: F32, width: int, height: int, device: str) -> Watched:
    def tensor(array: F32) -> Tensor:
        return torch.tensor(np.asarray(array, np.float32), device=device)

    return Watched(
        tensor(skin.mean),
        tensor(skin.normal),
        tensor(skin.identity),
        tensor(skin.expression),
        torch.as_tensor(np.stack([pattern(glimpse) for glimpse in glimpses.rgb]), device=device),
        tensor(glimpses.glimpse_from_frame),
        tensor(confidence),
        torch.tensor([width / 2, height / 2], device=device),
    )


@dataclass(frozen=True)
class Placed:
    """Where the head is while the pattern is read."""

    identity: Tensor  # (S,)
    expression: Tensor  # (T, E)
    rotation: Tensor  # (T, 3, 3)
    translation: Tensor  # (T, 3) metres
    focal: float  # pixels
    turned: Tensor  # (T, 3) rotation vectors from the first frame's


def read(seen: Watched, placed: Placed, frames: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Reads contrast (t, P) at the points, its trust (t, P), and what a move in head space changes it by (t, P, 3)."""
    shape = seen.mean + torch.einsum("s,spc->pc", placed.identity, seen.identity)  # (P, 3)
    E, P, _ = seen.expression.shape
    points = shape + (placed.expression[frames] @ seen.expression.reshape(E, -1)).view(-1, P, 3)
    R, A = placed.rotation[frames], seen.glimpse_from_frame[frames]
    points = points @ R.transpose(1, 2) + placed.translation[frames, None]  # (t, P, 3) camera
    over = placed.focal / points[..., 2:]  # (t, P, 1) pixels a metre
    at = torch.einsum("tij,tpj->tpi", A[:, :, :2], points[..., :2] * over + seen.middle) + A[:, None, :, 2]
    toward = -(seen.normal @ R.transpose(1, 2) * points).sum(-1) / points.norm(dim=-1)  # (t, P) cosine
    inside = ((at > 2) & (at < SIZE - 2)).all(-1)
    trust = (toward - FACING).clamp(min=0) * inside * seen.trust[frames, None]
    value, slope = sample(seen.pattern[frames], at)
    by_pixel = torch.einsum("tpi,tij->tpj", slope, A[:, :, :2]) * over  # (t, P, 2) d value / d camera x, y
    by_depth = -(by_pixel * points[..., :2]).sum(-1, keepdim=True) / points[..., 2:]
    return value, trust, torch.cat([by_pixel, by_depth], -1) @ R


def sample(pattern: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Gives contrast (t, P) and its slope (t, P, 2) a pixel, bilinear, at (t, P, 2) pixels."""
    t = torch.arange(len(pattern), device=pattern.device)[:, None]
    place = (at - 0.5).clamp(1, SIZE - 3)
    x, y = place.floor().long().unbind(-1)
    fx, fy = (place - place.floor()).unbind(-1)

    def get(dx: int, dy: int) -> Tensor:
        return pattern[t, y + dy, x + dx].float() / UNIT

    a, b, c, d = get(0, 0), get(1, 0), get(0, 1), get(1, 1)
    value = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
    left, right = get(-1, 0) * (1 - fy) + get(-1, 1) * fy, get(2, 0) * (1 - fy) + get(2, 1) * fy
    above, below = get(0, -1) * (1 - fx) + get(1, -1) * fx, get(0, 2) * (1 - fx) + get(1, 2) * fx
    # slopes of the four neighbours' central differences, interpolated as the value is
    near_x, far_x = b * (1 - fy) + d * fy - left, right - (a * (1 - fy) + c * fy)
    near_y, far_y = c * (1 - fx) + d * fx - above, below - (a * (1 - fx) + b * fx)
    slope = torch.stack([near_x * (1 - fx) + far_x * fx, near_y * (1 - fy) + far_y * fy], -1) / 2
    return value, slope


def unexplained(value: Tensor, trust: Tensor, turned: Tensor) -> Tensor:
    """Takes from the contrast (T, P) what each point shows always and what goes with the pose (T, 3): (T, P)."""
    x = (turned - turned.mean(0)) / turned.std(0).clamp(min=1e-3)
    X = torch.cat([torch.ones_like(x[:, :1]), x, x[:, :1] * x, x[:, 1:2] * x[:, 1:], x[:, 2:] * x[:, 2:]], 1)  # (T, 10)
    normal = torch.einsum("tp,ti,tj->pij", trust, X, X)
    normal.diagonal(dim1=1, dim2=2).add_(RIDGE * len(X))
    pulled = torch.einsum("tp,ti,tp->pi", trust, X, value)
    return value - X @ torch.linalg.solve(normal, pulled).T


def pattern_equations(seen: Watched, placed: Placed, at_once: int) -> tuple[Tensor, Tensor]:
    """Gives the normal equations of each frame's activations (T, E, E) and the pulls (T, E).

    Gauss-Newton on the sum of squares with the pattern itself eliminated (variable projection, Golub and Pereyra 1973).
    """
    blocks = [slice(t, t + at_once) for t in range(0, len(placed.expression), at_once)]
    value, trust, by_head = map(torch.cat, zip(*(read(seen, placed, block) for block in blocks), strict=True))
    error = unexplained(value, trust, placed.turned)
    spread = 1.4826 * error[trust > 0].abs().median().clamp(min=1e-3)
    weight = PRICE / value.shape[1] / spread**2 * trust * (HUBER * spread / error.abs().clamp(min=HUBER * spread))
    own, pull = [], []
    for block in blocks:
        slope = torch.bmm(by_head[block].transpose(0, 1), seen.expression.permute(1, 2, 0)).transpose(0, 1)  # (t, P, E)
        weighted = (slope * weight[block, :, None]).transpose(1, 2)
        own.append(weighted @ slope)
        pull.append(-(weighted @ error[block, :, None])[..., 0])
    return torch.cat(own), torch.cat(pull)
