"""What of a head is animated: the table's columns and the curves they live in.  Never decides what they should hold.

A table is (n, 6 + E) float: the head's rotation_euler in axes.ORDER (radians), its location (metres), and the E units'
activations, in Blender's axes, a row a frame.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from retac_shared.motion import Motion

from . import axes, compat
from .steps import Steps

POSE = 6  # columns before the units
TURN, PLACE, REST = "Head rotation", "Head position", "More"
AXES = {TURN: ("Head nod", "Head tilt", "Head turn"), PLACE: ("Head sideways", "Head depth", "Head height")}  # x, y, z
PREFIXES = {"eye": "Eyes", "brow": "Brows", "jaw": "Jaw", "mouth": "Mouth", "cheek": "Cheeks and nose",
            "nose": "Cheeks and nose", "tongue": "Tongue"}  # fmt: skip
GROUPS = (*AXES[TURN], *AXES[PLACE], *dict.fromkeys(PREFIXES.values()), REST)  # what is edited together
FINEST = {TURN: np.radians(0.25), PLACE: 0.0005}  # what is hardly seen: radians, metres
FINEST_UNIT = 0.01  # activation


@dataclass(frozen=True)
class Channel:
    owner: int  # 0: the head, 1: its shape keys
    path: str
    index: int
    group: str  # as the Dope Sheet shows it

    @property
    def edited_with(self) -> str:
        """Gives the name of the channels that are edited together with this one."""
        return AXES[self.group][self.index] if self.group in AXES else self.group

    @property
    def finest(self) -> float:
        """A change of this size is hardly seen."""
        return FINEST.get(self.group, FINEST_UNIT)


def channels(names: tuple[str, ...]) -> list[Channel]:
    """Gives the table's columns in order."""
    turn = [Channel(0, "rotation_euler", axis, TURN) for axis in range(3)]
    place = [Channel(0, "location", axis, PLACE) for axis in range(3)]
    return [*turn, *place, *(Channel(1, f'key_blocks["{name}"].value', 0, group_of(name)) for name in names)]


def group_of(unit: str) -> str:
    return next((group for prefix, group in PREFIXES.items() if unit.startswith(prefix)), REST)


def unit_names(shape_keys: Any) -> tuple[str, ...]:
    """Gives the units that a head has, in order."""
    return tuple(block.name for block in shape_keys.key_blocks if block != shape_keys.reference_key)


def table(rotation: NDArray[Any], translation: NDArray[Any], expression: NDArray[Any]) -> NDArray[np.float64]:
    """Turns our (n, 3) axis-angle, (n, 3) metres and (n, E) into a table."""
    return np.concatenate([axes.euler_from_turn(rotation), axes.to_blender(translation), expression], 1)


def motion(rows: NDArray[Any], fps: float, source: NDArray[Any], names: tuple[str, ...]) -> Motion:
    """Turns a table back into a Motion."""
    turn, place = axes.turn_from_euler(rows[:, :3]), axes.from_blender(rows[:, 3:POSE])
    return Motion(
        fps, rows[:, POSE:].astype(np.float32), turn.astype(np.float32), place.astype(np.float32),
        np.asarray(source, np.int32), names,
    )  # fmt: skip


def writing(
    sheets: tuple[compat.Sheet, ...],
    names: tuple[str, ...],
    frames: NDArray[Any],
    rows: NDArray[Any],
    kinds: NDArray[Any] | None = None,
) -> Steps[None]:
    """Makes the curves, a key on each frame, or replaces the keys of those that are there."""
    every = channels(names)
    for column, channel in enumerate(every):
        where = sheets[channel.owner]
        curve = where.curves.find(channel.path, index=channel.index)
        if curve is None:
            curve = compat.new_curve(where, channel.path, channel.index, channel.group)
        compat.set_keys(curve, frames, rows[:, column], kinds)
        yield (column + 1) / len(every)


def make_room(shape_keys: Any, names: tuple[str, ...], expression: NDArray[Any]) -> None:
    """Widens the units' sliders to the values, (n, E): what is beyond a slider is cut."""
    low, high = np.floor(expression.min(0)), np.ceil(expression.max(0))
    for name, least, most in zip(names, low.tolist(), high.tolist(), strict=True):
        block = shape_keys.key_blocks[name]
        block.slider_min, block.slider_max = min(block.slider_min, least), max(block.slider_max, most)
