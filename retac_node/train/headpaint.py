"""Paints the built head: mean albedo, its 80 directions of change, and where speech moves the skin.

All from the mean shape and MakeHuman's masks; never from a photograph.  Albedo times light is the plate's RGB as it
is stored, without a gamma curve.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import eigsh

Array = NDArray[Any]

FUNCTIONS = 26
SKIN_COLOUR, LIP_COLOUR, CAVITY_COLOUR = (0.76, 0.58, 0.49), (0.66, 0.38, 0.36), (0.22, 0.08, 0.07)
HAIR_COLOUR, BROW_COLOUR = (0.26, 0.20, 0.17), (0.30, 0.22, 0.18)
TEETH_COLOUR, TONGUE_COLOUR = (0.86, 0.82, 0.74), (0.62, 0.33, 0.32)
WHITE_COLOUR, IRIS_COLOUR, PUPIL_COLOUR = (0.86, 0.84, 0.82), (0.33, 0.22, 0.14), (0.03, 0.03, 0.03)


@dataclass(frozen=True)
class Painted:
    mean: Array  # (V, 3) [0, 1]
    basis: Array  # (80, V, 3) change for one standard deviation
    spoken: Array  # (V,) [0, 1]


def paint(mean: Array, triangles: Array, part: Array, twin: Array, ring: Array, masks: dict[str, Array]) -> Painted:
    """Paints a head of mean shape (V, 3), metres, head space; `ring` is the angle on an eyeball, NaN elsewhere."""
    owner = np.zeros(len(mean), int)
    owner[triangles.ravel()] = np.repeat(part, 3)  # a rim shared by skin and cavity goes to either
    skin = (owner == 0) | (owner == 5)
    brow = brows(mean, ring) * skin
    lips = masks["lips"] * skin
    colour = mean_colour(mean, owner, ring, lips, brow, masks)
    return Painted(colour, colour_basis(mean, triangles, twin, skin, lips, brow), spoken_weight(mean, owner, lips))


def mean_colour(mean: Array, owner: Array, ring: Array, lips: Array, brow: Array, masks: dict[str, Array]) -> Array:
    colour = np.tile(np.array(SKIN_COLOUR), (len(mean), 1))
    colour = mixed(colour, HAIR_COLOUR, scalp(mean, masks["ears"]))
    colour = mixed(colour, BROW_COLOUR, 0.85 * brow)
    colour = mixed(colour, LIP_COLOUR, lips)
    colour = mixed(colour, CAVITY_COLOUR, np.where(owner == 5, 1.0, masks["inside-mouth"]) * (owner % 5 == 0))
    for number, shade, front, back in ((2, TEETH_COLOUR, -0.084, -0.058), (3, TEETH_COLOUR, -0.082, -0.056),
                                       (4, TONGUE_COLOUR, -0.078, -0.045)):  # fmt: skip
        inside = np.array(shade) * (0.15 + 0.85 * ramp(mean[:, 2], back, front))[:, None]  # little light gets in
        colour[owner == number] = inside[owner == number]
    angle = np.degrees(np.nan_to_num(ring))
    eye = owner == 1
    colour[eye] = np.where((angle < 9.5)[:, None], PUPIL_COLOUR, IRIS_COLOUR)[eye]
    colour[eye & (angle > 20)] = np.array(IRIS_COLOUR) * 0.6  # the dark rim of the iris
    colour[eye & (angle > 24)] = WHITE_COLOUR
    return colour


def mixed(colour: Array, other: tuple[float, ...], share: Array) -> Array:
    return np.asarray(colour + share[:, None] * (np.array(other) - colour))


def ramp(value: Array, zero: Any, one: Any) -> Array:
    """Rises smoothly from 0 at `zero` to 1 at `one` (either may be the larger)."""
    t = np.clip((value - zero) / (np.asarray(one) - zero), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def eye_centres(mean: Array, ring: Array) -> Array:
    """Gives the pupils (2, 3), metres."""
    pupil = mean[np.nan_to_num(ring, nan=9.0) == 0]
    return np.asarray(pupil)


def brows(mean: Array, ring: Array) -> Array:
    """Draws two brows, an arc above each pupil."""
    total = np.zeros(len(mean))
    for pupil in eye_centres(mean, ring):
        outward = (mean[:, 0] - pupil[0]) * np.sign(pupil[0])
        rise = 0.0195 + 0.003 * np.cos((outward - 0.008) / 0.024 * np.pi / 2)
        across = ramp(abs(mean[:, 1] - pupil[1] + rise), 0.0075 - 0.002 * ramp(outward, 0, 0.025), 0.001)
        along = ramp(outward, -0.023, -0.014) * ramp(outward, 0.029, 0.016)
        total = np.maximum(total, across * along * (mean[:, 2] < -0.04))
    return total


def scalp(mean: Array, ears: Array) -> Array:
    """Where short hair would grow: above a hairline that drops behind the temples to the nape, round the ears."""
    crown = mean[:, 1].min()
    depth = [-0.10, -0.07, -0.045, -0.03, -0.012, 0.01, 0.03, 0.09]  # z, front to back
    height = [0.050, 0.066, 0.085, 0.118, 0.128, 0.128, 0.160, 0.180]  # of the hairline below the crown
    hairline = crown + np.interp(mean[:, 2], depth, height)
    return np.asarray(ramp(mean[:, 1], hairline + 0.007, hairline - 0.007) * (1 - ears))


def colour_basis(mean: Array, triangles: Array, twin: Array, skin: Array, lips: Array, brow: Array) -> Array:
    """Makes 26 smooth functions on the skin in three colours, then lip and brow darkness: (80, V, 3)."""
    functions = smooth_functions(mean, triangles, twin, skin)  # (26, V), largest value 1
    spread = 0.14 / (1 + 0.35 * np.arange(FUNCTIONS))
    basis = np.zeros((3 * FUNCTIONS + 2, len(mean), 3))
    for channel in range(3):
        basis[channel : 3 * FUNCTIONS : 3, :, channel] = functions * spread[:, None]
    basis[-2] = lips[:, None] * [0.02, 0.08, 0.08]
    basis[-1] = brow[:, None] * [0.15, 0.15, 0.15]
    return basis


def smooth_functions(mean: Array, triangles: Array, twin: Array, skin: Array) -> Array:
    """Finds the lowest eigenfunctions of the skin's graph Laplacian, (26, V); the face has more say, so more detail."""
    corners = twin[triangles]
    count = len(mean)
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    length = np.linalg.norm(mean[pairs[:, 0]] - mean[pairs[:, 1]], axis=1)
    graph = sparse.coo_matrix((1e-3 / np.maximum(length, 1e-4), tuple(pairs.T)), (count, count)).tocsr()
    graph = graph + graph.T
    area = np.linalg.norm(np.cross(mean[corners[:, 1]] - mean[corners[:, 0]],
                                   mean[corners[:, 2]] - mean[corners[:, 0]]), axis=1)  # fmt: skip
    around = np.bincount(corners.ravel(), np.repeat(area, 3), count)
    mass = around * (0.1 + ramp(mean[:, 2], -0.02, -0.07))
    used = np.flatnonzero(skin & (twin == np.arange(count)))
    laplacian = (sparse.diags(np.asarray(graph.sum(1)).ravel()) - graph)[used][:, used]
    weights = sparse.diags(mass[used] / mass[used].mean() + 1e-3)
    start = np.ones(len(used))
    _, vectors = eigsh(laplacian.tocsc(), FUNCTIONS, weights.tocsc(), sigma=-1e-6, v0=start)
    whole = np.zeros((FUNCTIONS, count))
    whole[:, used] = (vectors / abs(vectors).max(0)).T * np.sign(vectors.sum(0))[:, None]
    return np.asarray(whole[:, twin] * skin)


def spoken_weight(mean: Array, owner: Array, lips: Array) -> Array:
    """Says how far speech rules each vertex: 1 on lips, chin, jaw and lower cheeks and inside the mouth, else less."""
    midline = (abs(mean[:, 0]) < 0.002) & (owner == 0) & (mean[:, 2] < -0.04)
    tip = mean[midline][mean[midline, 2].argmin()]
    lip_top = mean[lips > 0.5, 1].min()
    under = mean[midline & (mean[:, 1] > tip[1]) & (mean[:, 1] < lip_top)]
    nose_base = under[under[:, 2].argmax(), 1]
    front = mean[midline & (mean[:, 2] < mean[lips > 0.5, 2].mean() + 0.02)]
    chin = front[:, 1].max()
    vertical = ramp(mean[:, 1], nose_base, lip_top + 0.15 * abs(mean[:, 0]))
    sideways = ramp(mean[:, 2], -0.01, -0.05)
    neck = ramp(mean[:, 1], chin + 0.045, chin + 0.005)
    return np.where(owner == 1, 0, np.where(owner >= 2, 1, vertical * sideways * neck))
