"""Explains skin colours by albedo and spherical-harmonic light.  Reads sampled colours, never pictures.

Ramamoorthi and Hanrahan 2001: irradiance on a convex Lambertian body has nine coefficients a channel.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from retac_node.data import F32
from retac_node.ops.light import sh_basis

ROUNDS = 4  # of light and albedo in turn
RIDGE = 1e-3  # keeps light that no visible normal reaches from growing
ALBEDO_PRIOR = 0.02  # weight of a coefficient's square against a vertex's squared error


def explain(
    colour: F32, normals: F32, visible: F32, albedo_mean: F32, albedo_basis: F32, steady_frames: float
) -> tuple[F32, F32]:
    """Gives light (T, 9, 3) for each frame and albedo coefficients (A,) for the clip.

    colour, normals (T, v, 3); visible (T, v) weights; albedo_mean (v, 3); albedo_basis (A, v, 3); light is smoothed over
    `steady_frames` frames.
    """
    basis = sh_basis(normals).astype(np.float32)  # (T, v, 9)
    coefficients = np.zeros(len(albedo_basis), np.float32)
    albedo = albedo_mean
    for _ in range(ROUNDS):
        light = fit_light(colour, basis, visible, albedo)
        light = gaussian_filter1d(light, steady_frames, axis=0, mode="nearest")
        coefficients = fit_albedo(colour, basis, visible, light, albedo_mean, albedo_basis)
        albedo = np.clip(albedo_mean + np.tensordot(coefficients, albedo_basis, 1), 0.02, 1)
    return light.astype(np.float32), coefficients


def fit_light(colour: F32, basis: F32, visible: F32, albedo: F32) -> F32:
    """Least squares for each frame and channel: colour = albedo * (basis @ light)."""
    light = np.empty((len(colour), 9, 3), np.float32)
    for channel in range(3):
        lit = basis * albedo[None, :, channel, None]  # (T, v, 9)
        weighted = lit * visible[..., None]
        left = np.einsum("tvi,tvj->tij", weighted, lit) + RIDGE * visible.sum(1)[:, None, None] * np.eye(9)
        right = np.einsum("tvi,tv->ti", weighted, colour[..., channel])
        light[..., channel] = np.linalg.solve(left, right[..., None])[..., 0]
    return light


def fit_albedo(colour: F32, basis: F32, visible: F32, light: F32, mean: F32, albedo_basis: F32) -> F32:
    shading = np.maximum(np.einsum("tvi,tic->tvc", basis, light), 0.02)  # (T, v, 3)
    weight = (visible[..., None] * shading**2).sum(0)  # (v, 3)
    seen = (visible[..., None] * shading * colour).sum(0) / np.maximum(weight, 1e-9)  # (v, 3)
    trust = weight / max(weight.mean(), 1e-9)
    design = albedo_basis.reshape(len(albedo_basis), -1).astype(np.float64)  # (A, v * 3)
    left = (design * trust.ravel()) @ design.T / len(seen) + ALBEDO_PRIOR * np.eye(len(design)) / len(seen)
    right = (design * trust.ravel()) @ (seen - mean).ravel() / len(seen)
    return np.linalg.solve(left, right).astype(np.float32)
