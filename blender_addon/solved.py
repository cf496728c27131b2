"""What a node solved of a clip, read from its files and turned into Blender's axes.  No bpy: may run on a thread."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import axes
from .timing import Timing, read_timing

DOUBT = 0.5  # confidence below which a frame is marked


@dataclass(frozen=True)
class ShotData:
    vertices: NDArray[np.float32]  # (V, 3) metres, the head at rest, Blender's axes
    triangles: NDArray[np.int32]  # (F, 3)
    uv: NDArray[np.float32]  # (3 F, 2), a row a corner
    shapes: NDArray[np.float32]  # (E, V, 3) metres, the head at activation 1 of each unit
    names: tuple[str, ...]  # (E,)
    texture: Path
    focal: float  # pixels
    size: tuple[int, int]  # W, H
    fps: float
    rotation: NDArray[np.float32]  # (T, 3) our axis-angle
    translation: NDArray[np.float32]  # (T, 3) our metres
    expression: NDArray[np.float32]  # (T, E)
    confidence: NDArray[np.float32]  # (T,)
    said: Timing  # what the clip says; empty where the node does not know


def read_shot(track: Path, mesh: Path, texture: Path, words: Path | None = None) -> ShotData:
    """Reads track.npz, mesh.npz, texture.png and words.json.

    Raises OSError, KeyError, ValueError where they are not such files.
    """
    solved, shown = arrays(track), arrays(mesh)
    names = tuple(str(name) for name in shown["names"])
    if names != tuple(str(name) for name in solved["names"]):
        raise ValueError(f"{mesh.name} has other units than {track.name}; they are of two heads")
    vertices = axes.to_blender(shown["vertices"])
    shapes = vertices + axes.to_blender(shown["expression_basis"])
    return ShotData(
        np.ascontiguousarray(vertices, np.float32), shown["triangles"].astype(np.int32),
        shown["uv"][shown["triangles"].ravel()].astype(np.float32), np.ascontiguousarray(shapes, np.float32), names,
        texture, float(solved["focal"]), (int(solved["width"]), int(solved["height"])), float(solved["fps"]),
        solved["rotation"], solved["translation"], solved["expression"], solved["confidence"],
        read_timing(words) if words else Timing(),
    )  # fmt: skip


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
