"""Solves the equations of many frames that meet in a few shared unknowns and in smoothness over time.

By conjugate gradients: the frames' own blocks are small and dense, what ties them together is only ever multiplied with.
"""

import torch
from torch import Tensor

CG_STEPS = 60


def curvature(curve: Tensor) -> Tensor:
    """Applies the second difference and its transpose to (T, N)."""
    out = torch.zeros_like(curve)
    if len(curve) < 3:
        return out
    bend = curve[2:] - 2 * curve[1:-1] + curve[:-2]
    out[2:] += bend
    out[1:-1] -= 2 * bend
    out[:-2] += bend
    return out


def conjugate_gradients(
    own: Tensor, cross: Tensor, common: Tensor, smooth: Tensor, pull: Tensor, shared_pull: Tensor, free: Tensor
) -> tuple[Tensor, Tensor]:
    """Solves the equations, smoothness included, for the free unknowns; preconditioned by the frames' own blocks."""
    held = torch.where(free, 0.0, 1e12)
    factor = torch.linalg.cholesky(own + torch.diag_embed(held + 6 * smooth))  # 6: the curvature's own diagonal
    shared_factor = torch.linalg.cholesky(common)

    def times(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        y = (own @ x[..., None])[..., 0] + smooth * curvature(x) + cross @ g
        return y * free, common @ g + torch.einsum("tng,tn->g", cross, x)

    def precondition(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.cholesky_solve(x[..., None], factor)[..., 0] * free
        return y, torch.cholesky_solve(g[:, None], shared_factor)[:, 0]

    def dot(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
        return (a[0] * b[0]).sum() + (a[1] * b[1]).sum()

    x = (torch.zeros_like(pull), torch.zeros_like(shared_pull))
    r = (pull * free, shared_pull)
    p = z = precondition(*r)
    rz = dot(r, z)
    for _ in range(CG_STEPS):
        q = times(*p)
        alpha = rz / (dot(p, q) + 1e-30)
        x = (x[0] + alpha * p[0], x[1] + alpha * p[1])
        r = (r[0] - alpha * q[0], r[1] - alpha * q[1])
        z = precondition(*r)
        rz, before = dot(r, z), rz
        p = (z[0] + rz / (before + 1e-30) * p[0], z[1] + rz / (before + 1e-30) * p[1])
    return x
