"""Reads polygon meshes out of Wavefront OBJ text: places, texture places and faces, in the file's own order.

Never splits or joins vertices, as general readers do: the files of a model must agree vertex by vertex.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.errors import BadInput

Array = NDArray[Any]


@dataclass(frozen=True)
class Polygons:
    points: Array  # (V, 3)
    triangles: Array  # (F, 3); a polygon of n corners becomes n - 2 of them, a fan
    uv: Array | None  # (F, 3, 2) of the corners, u right, v up; None where a corner has none


def points(path: Path) -> Array:
    """Reads the vertices alone, (V, 3).  Raises BadInput."""
    return table([line[2:] for line in lines(path) if line.startswith(b"v ")], 3, path)


def polygons(path: Path) -> Polygons:
    """Reads a whole mesh.  Raises BadInput."""
    text = lines(path)
    texture = [line[3:] for line in text if line.startswith(b"vt ")]
    corners = [[corner.split(b"/") for corner in line.split()[1:]] for line in text if line.startswith(b"f ")]
    fans = [(face[0], face[i], face[i + 1]) for face in corners for i in range(1, len(face) - 1)]
    try:
        triangles = np.array([[int(corner[0]) for corner in fan] for fan in fans], np.int32) - 1
        mapped = bool(texture) and all(len(corner) > 1 and corner[1] for fan in fans for corner in fan)
        at = np.array([[int(corner[1]) for corner in fan] for fan in fans]) - 1 if mapped else None  # (F, 3)
        uv = None if at is None else table(texture, 2, path)[at]
    except (ValueError, IndexError):
        raise BadInput(f"{path} has faces that cannot be read; get the file again") from None
    if len(triangles) == 0:
        raise BadInput(f"{path} has no faces; get the file again")
    return Polygons(points(path), triangles, uv)


def lines(path: Path) -> list[bytes]:
    if not path.is_file():
        raise BadInput(f"{path} is missing; put the file there, as its makers hand it out")
    return path.read_bytes().splitlines()


def table(rows: list[bytes], width: int, path: Path) -> Array:
    """Turns rows of numbers into (n, width); more numbers in a row are let be."""
    try:
        return np.array([row.split()[:width] for row in rows], float).reshape(-1, width)
    except ValueError:
        raise BadInput(f"{path} has vertices that cannot be read; get the file again") from None
