"""Fits a 3DMM to landmark tracks: one identity and focal length for the clip, expression and pose for each frame.

All frames are optimised at once, so smoothness in time is part of the fit and has no phase lag.  It never reads pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from retac_node.data import F32
from retac_node.ops.geometry import axis_angle, rotation_matrix_torch


@dataclass(frozen=True)
class LandmarkBasis:
    """The head model, sampled at the L landmarks that lie on it."""

    mean: F32  # (L, 3) metres, head space
    identity: F32  # (S, L, 3) metres a standard deviation
    expression: F32  # (E, L, 3) metres at activation 1
    weight: F32  # (L,) trust in each landmark; 0 on sliding contours
    effort: F32  # (E,) how dear an activation is: what landmarks confuse costs more
    lower: F32  # (E,) smallest activation allowed


@dataclass(frozen=True)
class Observed:
    """What was seen, with bridged frames already filled in."""

    points: F32  # (T, L, 3) plate pixels, depth in the same scale
    confidence: F32  # (T,) [0, 1]
    prior: F32  # (T, E) activations suggested by the blendshape net
    prior_weight: F32  # (E,) trust in them, 0 where the net reads nothing
    width: int
    height: int


@dataclass(frozen=True)
class Solved:
    identity: F32  # (S,)
    expression: F32  # (T, E)
    rotation: F32  # (T, 3)
    translation: F32  # (T, 3)
    focal: float  # pixels
    error: F32  # (T,) mean landmark distance, percent of the distance between the eyes


@dataclass(frozen=True)
class Weights:
    """Of the terms of the loss; residuals are in percent of the eye distance, means over landmarks and frames."""

    huber: float = 1.5  # percent; beyond it a landmark counts linearly
    identity: float = 0.004  # a coefficient's square, summed over S
    effort: float = 0.05  # an activation's square, summed over E
    prior: float = 0.15  # squared distance from the blendshape net, summed over E
    focal: float = 2.0  # squared log ratio to the guess
    pose_smooth: float = 0.03  # squared second difference of the pose, in percent of the eye distance
    expression_smooth: float = 0.05  # squared second difference of activations, summed over E


EYE_DISTANCE = 0.062  # metres, adult mean between pupils
FOCAL_GUESS = 1.5  # of the longer side: a 37 degree lens


def solve(
    basis: LandmarkBasis,
    seen: Observed,
    progress: Callable[[float], None],
    steps: int = 500,
    weights: Weights = Weights(),
    device: str = "cpu",
    identity: F32 | None = None,
) -> Solved:
    """Minimises the landmark error over all frames with Adam; `identity` (S,), when given, is kept.

    The terms are those of Deng et al. 2019 (eq. 3-5) without the pixels, and smoothness over time.
    """
    mean, ident, express = (torch.from_numpy(np.ascontiguousarray(b)).to(device) for b in (basis.mean, basis.identity, basis.expression))
    target = torch.from_numpy(seen.points[..., :2] - np.float32([seen.width / 2, seen.height / 2])).to(device)  # (T, L, 2)
    trust = torch.from_numpy(basis.weight[None] * np.maximum(seen.confidence, 1e-3)[:, None]).to(device)  # (T, L)
    trust = trust / trust.mean()
    effort, lower, prior, prior_weight = (
        torch.from_numpy(a).to(device) for a in (basis.effort, basis.lower, seen.prior, seen.prior_weight)
    )
    focal_guess = FOCAL_GUESS * max(seen.width, seen.height)
    rotation0, translation0 = start_pose(basis, seen, focal_guess)
    scale = torch.from_numpy(EYE_DISTANCE * focal_guess / translation0[:, 2] / 100).to(device)  # (T,) pixels a percent

    z = torch.zeros(len(basis.identity), device=device) if identity is None else torch.from_numpy(identity).to(device)
    e = (prior * (prior_weight > 0)).clone()  # (T, E)
    r = torch.from_numpy(rotation0).to(device)  # (T, 3)
    # The translation is held as a shift on the plate (percent of the eye distance) and a log distance, which are well scaled.
    shift = torch.zeros(len(e), 2, device=device)
    log_z = torch.zeros(len(e), 1, device=device)
    log_f = torch.zeros(1, device=device)
    t0 = torch.from_numpy(translation0).to(device)
    learned = [e, r, shift, log_z, log_f] + ([z] if identity is None else [])
    for value in learned:
        value.requires_grad_(True)
    rates = {id(e): 0.03, id(r): 0.01, id(shift): 0.5, id(log_z): 0.01, id(log_f): 0.01, id(z): 0.1}
    adam = torch.optim.Adam([{"params": [value], "lr": rates[id(value)]} for value in learned], betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, [g["lr"] for g in adam.param_groups], steps, pct_start=0.1)

    def translation() -> Tensor:
        depth = t0[:, 2:] * torch.exp(log_z + log_f)  # a longer lens stands further away
        across = (t0[:, :2] / t0[:, 2:]) * torch.exp(-log_f) + shift * scale[:, None] / (focal_guess * torch.exp(log_f))
        return torch.cat([across * depth, depth], 1)  # (T, 3)

    def distances() -> Tensor:
        shape = mean + torch.einsum("s,slc->lc", z, ident)  # (L, 3)
        points = shape + torch.einsum("te,elc->tlc", e, express)  # (T, L, 3)
        points = torch.einsum("tij,tlj->tli", rotation_matrix_torch(r), points) + translation()[:, None]
        seen_at = focal_guess * torch.exp(log_f) * points[..., :2] / points[..., 2:]  # (T, L, 2)
        return ((seen_at - target).square().sum(-1) + 1e-6).sqrt() / scale[:, None]  # (T, L) percent

    for step in range(steps):
        progress(step / steps)
        adam.zero_grad(set_to_none=True)
        distance = distances()
        bounded = torch.where(distance < weights.huber, distance.square() / 2, weights.huber * (distance - weights.huber / 2))
        loss = (trust * bounded).mean()
        loss = loss + weights.identity * z.square().sum() + weights.focal * log_f.square().sum()
        loss = loss + weights.effort * (effort * e.square()).sum(1).mean()
        loss = loss + weights.prior * (prior_weight * (e - prior).square()).sum(1).mean()
        if len(e) > 2:
            swing = torch.cat([r * (EYE_DISTANCE_PERCENT_PER_RADIAN), shift, log_z * 100], 1)  # (T, 6) percent
            loss = loss + weights.pose_smooth * second_difference(swing).square().sum(1).mean()
            loss = loss + weights.expression_smooth * second_difference(e).square().sum(1).mean()
        loss.backward()
        adam.step()
        schedule.step()
        with torch.no_grad():
            e.copy_(torch.maximum(e, lower).clamp(max=1.2))
    with torch.no_grad():
        error = distances().mean(1)
        held = [value.detach().cpu().numpy() for value in (z, e, r, translation(), error)]
    return Solved(held[0], held[1], held[2], held[3], float(focal_guess * torch.exp(log_f)), held[4])


EYE_DISTANCE_PERCENT_PER_RADIAN = 100.0  # a radian moves the nose by about one and a half eye distances


def second_difference(curve: Tensor) -> Tensor:
    return curve[2:] - 2 * curve[1:-1] + curve[:-2]


def start_pose(basis: LandmarkBasis, seen: Observed, focal: float) -> tuple[F32, F32]:
    """Aligns the mean head to each frame's landmarks in 3-D (Umeyama 1991), gives axis-angle (T, 3) and translation (T, 3)."""
    weight = basis.weight / basis.weight.sum()
    model_centre = weight @ basis.mean  # (3,)
    model = basis.mean - model_centre
    centre = np.einsum("l,tlc->tc", weight, seen.points)  # (T, 3)
    points = seen.points - centre[:, None]
    covariance = np.einsum("l,tlc,ld->tcd", weight, points, model)  # (T, 3, 3)
    u, singular, vt = np.linalg.svd(covariance)
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    matrix = (u * sign[:, None]) @ vt  # (T, 3, 3)
    scale = (singular * sign).sum(1) / (weight[:, None] * model**2).sum()  # (T,) pixels a metre
    depth = focal / scale
    across = (centre[:, :2] - [seen.width / 2, seen.height / 2]) * (depth / focal)[:, None]
    translation = np.concatenate([across, depth[:, None]], 1) - matrix @ model_centre
    return axis_angle(matrix).astype(np.float32), translation.astype(np.float32)
