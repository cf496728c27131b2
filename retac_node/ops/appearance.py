"""Explains skin colours by albedo and spherical-harmonic light.  Reads sampled colours, never pictures.

Ramamoorthi and Hanrahan 2001: irradiance on a convex Lambertian body has nine coefficients a channel.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from retac_node.data import F32
from retac_node.ops.light import sh_basis

ROUNDS = 6  # of light and albedo in turn
RIDGE = 3e-3  # keeps light that no visible normal reaches near the clip's, and the clip's from growing
ALBEDO_PRIOR = 0.02  # weight of a coefficient's square against a vertex's squared error
TOWARD_MEAN = 0.05  # weight of the model's albedo at a vertex against what is seen of an ordinary one
DIMMEST = 0.05  # shading that albedo is read at; with less light there is only noise
DOUBTED = 0.15  # [0, 1] RGB by which a colour may be off without being suspect: a highlight, hair, a hand


def explain(
    colour: F32, normals: F32, visible: F32, albedo_mean: F32, albedo_basis: F32, steady_frames: float
) -> tuple[F32, F32]:
    """Gives light (T, 9, 3) for each frame and albedo coefficients (A,) for the clip.

    colour, normals (T, v, 3); visible (T, v) weights; albedo_mean (v, 3); albedo_basis (A, v, 3); light is smoothed over
    `steady_frames` frames.  While light is sought each vertex has an albedo of its own: what the basis cannot say of a
    person's skin (a beard, make-up) would else be taken for light.
    """
    basis = sh_basis(normals).astype(np.float32)  # (T, v, 9)
    albedo, trusted = albedo_mean, visible
    for _ in range(ROUNDS):
        light = fit_light(colour, basis, trusted, albedo)
        light = gaussian_filter1d(light, steady_frames, axis=0, mode="nearest").astype(np.float32)
        shading = shone(basis, light)
        albedo = own_albedo(colour, shading, trusted, albedo_mean)
        off = np.square(colour - shading * albedo).sum(-1) / DOUBTED**2  # (T, v)
        trusted = visible / (1 + off)
    return light, fit_albedo(colour, basis, trusted, light, albedo_mean, albedo_basis)


def shone(basis: F32, light: F32) -> F32:
    """Gives what light (T, 9, 3) does to albedo 1 where the basis is (T, v, 9): (T, v, 3)."""
    return np.maximum(np.einsum("tvi,tic->tvc", basis, light), DIMMEST)


def own_albedo(colour: F32, shading: F32, visible: F32, mean: F32) -> F32:
    """Gives each vertex the albedo (v, 3) that its colours call for, drawn to the model's where little is seen of it."""
    weight = (visible[..., None] * shading**2).sum(0)  # (v, 3)
    seen = (visible[..., None] * shading * colour).sum(0)
    prior = TOWARD_MEAN * weight.mean() + 1e-9
    return np.clip((seen + prior * mean) / (weight + prior), 0.02, 1.5).astype(np.float32)


def fit_light(colour: F32, basis: F32, visible: F32, albedo: F32) -> F32:
    """Finds each frame's light (T, 9, 3), drawn to the one that explains the whole clip: colour = albedo * (basis @ light)."""
    light = np.empty((len(colour), 9, 3), np.float32)
    for channel in range(3):
        lit = basis * albedo[None, :, channel, None]  # (T, v, 9)
        weighted = lit * visible[..., None]
        left = np.einsum("tvi,tvj->tij", weighted, lit)
        right = np.einsum("tvi,tv->ti", weighted, colour[..., channel])
        ridge = RIDGE * visible.sum(1)[:, None] * np.mean(albedo[:, channel] ** 2)  # (T, 1)
        whole = np.linalg.solve(left.sum(0) + ridge.sum() * np.eye(9), right.sum(0))
        left = left + ridge[..., None] * np.eye(9)
        light[..., channel] = np.linalg.solve(left, (right + ridge * whole)[..., None])[..., 0]
    return light


def fit_albedo(colour: F32, basis: F32, visible: F32, light: F32, mean: F32, albedo_basis: F32) -> F32:
    """Least squares over the clip: which coefficients (A,) the seen colours call for."""
    shading = shone(basis, light)  # (T, v, 3)
    weight = (visible[..., None] * shading**2).sum(0)  # (v, 3)
    seen = (visible[..., None] * shading * colour).sum(0) / np.maximum(weight, 1e-9)  # (v, 3)
    trust = weight / max(weight.mean(), 1e-9)
    design = albedo_basis.reshape(len(albedo_basis), -1).astype(np.float64)  # (A, v * 3)
    left = (design * trust.ravel()) @ design.T / len(seen) + ALBEDO_PRIOR * np.eye(len(design)) / len(seen)
    right = (design * trust.ravel()) @ (seen - mean).ravel() / len(seen)
    return np.linalg.solve(left, right).astype(np.float32)
