"""Our axes and Blender's: points, turns and lenses.  The only place that converts them; knows numpy, never bpy.

Camera space is x right, y down, z away.  In Blender the camera stands at the rig's origin and looks along +Y, with +Z up:
x stays, z becomes Y, -y becomes Z, which is a turn about x, so triangles keep their winding.  A head that faces the
camera looks along -Y, as Blender's front view wants it.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

ORDER = "YXZ"  # Blender's rotation_mode of a head: tilt, nod, turn; its pole is a head that looks straight up or down
CAMERA_TURN = (np.pi / 2, 0.0, 0.0)  # rotation_euler, XYZ, of a camera that looks along +Y
FILM = 36.0  # mm, the side of the film that the lens is told for


def to_blender(vectors: Array) -> Array:
    """Turns points, offsets or axis-angle vectors (..., 3), ours, into Blender's."""
    return np.stack([vectors[..., 0], vectors[..., 2], -vectors[..., 1]], -1)


def from_blender(vectors: Array) -> Array:
    """Turns Blender's (..., 3) into ours."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], -1)


def euler_from_turn(axis_angle: Array) -> Array:
    """Gives Blender's rotation_euler (T, 3), radians in ORDER, of our head -> camera turns (T, 3); without jumps."""
    r = matrices(to_blender(np.asarray(axis_angle, np.float64)))  # (T, 3, 3) = Z X Y
    nod = np.arctan2(r[:, 2, 1], np.hypot(r[:, 0, 1], r[:, 1, 1]))
    tilt = np.arctan2(-r[:, 2, 0], r[:, 2, 2])
    turn = np.arctan2(-r[:, 0, 1], r[:, 1, 1])
    return np.stack([nod, np.unwrap(tilt), np.unwrap(turn)], 1)


def turn_from_euler(euler: Array) -> Array:
    """Gives our axis-angle (T, 3), radians below half a turn, of Blender's rotation_euler (T, 3) in ORDER."""
    x, y, z = np.asarray(euler, np.float64).T
    half = [(np.cos(angle / 2), np.sin(angle / 2)) for angle in (x, y, z)]
    (cx, sx), (cy, sy), (cz, sz) = half
    w = cz * cx * cy - sz * sx * sy  # the quaternion product z * x * y
    vector = np.stack(
        [cz * sx * cy - sz * cx * sy, cz * cx * sy + sz * sx * cy, cz * sx * sy + sz * cx * cy], 1
    )  # (T, 3)
    vector, w = np.where(w[:, None] < 0, -vector, vector), np.abs(w)
    length = np.linalg.norm(vector, axis=1)
    angle = 2 * np.arctan2(length, w)
    scale = np.where(length > 1e-12, angle / np.maximum(length, 1e-12), 2.0)
    return from_blender(vector * scale[:, None])


def matrices(axis_angle: Array) -> Array:
    """Gives the matrices (T, 3, 3) of axis-angle vectors (T, 3), radians: Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=1)  # (T,)
    x, y, z = axis_angle.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    first = np.sinc(angle / np.pi)[:, None, None]
    second = (np.sinc(angle / (2 * np.pi)) ** 2 / 2)[:, None, None]
    return np.eye(3) + first * cross + second * cross @ cross


def lens_mm(focal: float, pixels: int) -> float:
    """Gives the focal length in mm on a film whose side FILM shows that many pixels; `focal` in pixels."""
    return FILM * focal / pixels
