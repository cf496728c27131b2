"""Reads ICT-FaceKit (Li et al. 2020), the light model: a folder of OBJ files, centimetres, one a shape.

generic_neutral_mesh.obj, identity000.obj and on (each the neutral face plus one standard deviation), and one file an
expression, named like ARKit's units with _L and _R for Left and Right.  Never reads the meshes' materials.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.errors import BadInput
from retac_node.models.dropins.obj import points, polygons
from retac_node.models.dropins.raw import IDENTITIES, NATIVE, UPRIGHT, RawModel
from retac_node.models.head import CAVITY, EYEBALL, LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH

Array = NDArray[Any]

NEUTRAL = "generic_neutral_mesh.obj"
METRES = 0.01 * UPRIGHT
# Where each piece ends in the published topology; what follows (tear film, occlusion shells, lashes) is glass or hair.
VERTICES = 26719
PIECES = ((11248, SKIN), (13294, CAVITY), (14062, SKIN), (17039, TONGUE), (19247, UPPER_TEETH), (21451, LOWER_TEETH),
          (24591, EYEBALL))  # fmt: skip
SIDES = {"_L": "Left", "_R": "Right"}


def files(folder: Path) -> list[Path]:
    """Lists what is read: the neutral face, up to 80 identities and up to 64 expressions."""
    every = sorted(path for path in folder.glob("*.obj") if path.name != NEUTRAL)
    people = [path for path in every if path.stem.startswith("identity")][:IDENTITIES]
    moves = [path for path in every if not path.stem.startswith("identity")][:NATIVE]
    return [folder / NEUTRAL, *people, *moves]


def read(folder: Path) -> RawModel:
    """Reads the model.  Raises BadInput for a file that is missing or does not fit the others."""
    mesh = polygons(folder / NEUTRAL)
    people = [path for path in files(folder)[1:] if path.stem.startswith("identity")]
    moves = [path for path in files(folder)[1:] if not path.stem.startswith("identity")]
    if not people or not moves:
        raise BadInput(f"{folder} has no {'expressions' if people else 'identity000.obj'} beside {NEUTRAL}; put all in")
    whole = len(mesh.points) == VERTICES
    count = PIECES[-1][0] if whole else len(mesh.points)
    kept = (mesh.triangles < count).all(1)
    triangles = mesh.triangles[kept]
    return RawModel(
        source=str(folder),
        mean=(mesh.points[:count] * METRES).astype(np.float32),
        identity=shapes(people, mesh.points, count),
        expression=shapes(moves, mesh.points, count),
        names=tuple(arkit(path.stem) for path in moves),
        triangles=triangles,
        uv=None if mesh.uv is None else mesh.uv[kept] * [1, -1] + [0, 1],
        part=parts(triangles) if whole else None,
    )


def shapes(paths: list[Path], neutral: Array, count: int) -> Array:
    """Gives (n, count, 3), metres: what each file adds to the neutral face (V, 3)."""
    out = np.empty((len(paths), count, 3), np.float32)
    for n, path in enumerate(paths):
        found = points(path)
        if found.shape != neutral.shape:
            raise BadInput(f"{path} has {len(found)} vertices and {NEUTRAL} {len(neutral)}; get the files again")
        out[n] = (found - neutral)[:count] * METRES
    return out


def arkit(name: str) -> str:
    """browInnerUp_L -> browInnerUpLeft."""
    return name[:-2] + SIDES[name[-2:]] if name[-2:] in SIDES else name


def parts(triangles: Array) -> Array:
    ends = [end for end, _ in PIECES]
    kinds = np.array([part for _, part in PIECES], np.uint8)
    return kinds[np.searchsorted(ends, triangles[:, 0], side="right")]
