"""Reads the Basel Face Model 2009 with the 64 expression directions of Guo et al., as Deng et al. 2019 join them.

The folder holds 01_MorphableModel.mat (Paysan et al. 2009: 53,490 vertices, micrometres), Exp_Pca.bin and std_exp.txt
(https://github.com/Juyong/3DFace: 53,215 vertices, without the inside of the mouth) and BFM_exp_idx.mat, which says
which vertices those are.  Where BFM_front_idx.mat lies beside them, only the face that it lists (35,709 vertices) is
kept.  Never fetches any of them: their makers give them to people who accept their terms.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from retac_node.errors import BadInput
from retac_node.models.dropins.raw import ALBEDOS, IDENTITIES, NATIVE, UPRIGHT, RawModel

Array = NDArray[Any]

MODEL, EXPRESSIONS, DEVIATIONS = "01_MorphableModel.mat", "Exp_Pca.bin", "std_exp.txt"
KEPT, FRONT = "BFM_exp_idx.mat", "BFM_front_idx.mat"
METRES = 1e-6 * UPRIGHT  # micrometres, y up and z to the viewer -> head space


def files(folder: Path) -> list[Path]:
    """Lists what is read."""
    return [folder / name for name in (MODEL, EXPRESSIONS, DEVIATIONS, KEPT, FRONT) if (folder / name).is_file()]


def read(folder: Path) -> RawModel:
    """Reads the model.  Raises BadInput for a file that is missing or is not what its name says."""
    model = matrices(folder / MODEL, ("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV", "tl"))
    mean = model["shapeMU"].reshape(-1, 3)  # (V, 3)
    basis = expressions(folder)  # (N, V', 3)
    kept = np.arange(len(mean))
    if basis.shape[1] != len(mean):
        if not (folder / KEPT).is_file():
            raise BadInput(
                f"{folder / EXPRESSIONS} is over {basis.shape[1]} vertices and {MODEL} over {len(mean)}; put {KEPT}, "
                "which says which of them it means, into the same folder"
            )
        kept = numbers(folder / KEPT, "trimIndex", len(mean))
        if len(kept) != basis.shape[1]:
            raise BadInput(f"{folder / KEPT} lists {len(kept)} vertices and {EXPRESSIONS} is over {basis.shape[1]}")
    if (folder / FRONT).is_file():
        front = numbers(folder / FRONT, "idx", len(kept))
        kept, basis = kept[front], basis[:, front]
    return RawModel(
        source=str(folder),
        mean=(mean[kept] * METRES).astype(np.float32),
        identity=directions(model, "shape", folder, IDENTITIES)[:, kept] * METRES,
        expression=basis * METRES,
        names=(),
        triangles=renumbered(model["tl"].astype(np.int64) - 1, kept, len(mean)),
        albedo_mean=(model["texMU"].reshape(-1, 3)[kept] / 255).astype(np.float32),
        albedo=directions(model, "tex", folder, ALBEDOS)[:, kept] / np.float32(255),
    )


def matrices(path: Path, names: tuple[str, ...]) -> dict[str, Array]:
    """Reads the named matrices of a MATLAB file."""
    if not path.is_file():
        raise BadInput(f"{path} is missing; put the file there, as its makers hand it out")
    try:
        return {name: array for name, array in loadmat(str(path), variable_names=names).items() if name in names}
    except (ValueError, TypeError, NotImplementedError, OSError) as error:
        raise BadInput(f"{path} is not a MATLAB file that can be read ({error}); get it again") from None


def numbers(path: Path, name: str, count: int) -> Array:
    """Reads a list of vertices, which MATLAB counts from 1."""
    found = matrices(path, (name,)).get(name, np.zeros(0)).ravel().astype(np.int64) - 1
    if len(found) == 0 or found.min() < 0 or found.max() >= count:
        raise BadInput(f"{path} does not list vertices of the model; get it again")
    return found


def directions(model: dict[str, Array], kind: str, folder: Path, count: int) -> Array:
    """Gives (n, V, 3): the first principal directions times their standard deviations, in the file's unit."""
    basis, deviation, mean = (model.get(kind + part, np.zeros((0, 0))) for part in ("PC", "EV", "MU"))
    if basis.shape != (mean.size, deviation.size) or mean.size == 0 or "tl" not in model:
        raise BadInput(f"{folder / MODEL} is not the Basel Face Model 2009: {kind}PC has the shape {basis.shape}")
    scaled = (basis[:, :count] * deviation.ravel()[:count]).T  # (n, 3V)
    return scaled.reshape(len(scaled), -1, 3).astype(np.float32)


def expressions(folder: Path) -> Array:
    """Reads (N, V', 3), micrometres: int32 number of directions, then float32 mean offset and directions.

    The offset is left out, as in the literature, so that coefficients mean the same.
    """
    path = folder / EXPRESSIONS
    for name in (EXPRESSIONS, DEVIATIONS):
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name} is missing; put the file there, as its makers hand it out")
    with path.open("rb") as file:
        count = int(np.frombuffer(file.read(4).ljust(4, b"\0"), "<i4")[0])
        values = np.frombuffer(file.read(path.stat().st_size // 4 * 4 - 4), "<f4")
    if count < 1 or len(values) % (3 * (count + 1)) or len(values) == 0:
        raise BadInput(f"{path} is not an expression basis: {count} directions in {len(values)} numbers; get it again")
    try:
        deviation = np.loadtxt(folder / DEVIATIONS, ndmin=1).ravel()
    except (ValueError, UnicodeDecodeError):
        deviation = np.zeros(0)
    if len(deviation) < count:
        raise BadInput(f"{folder / DEVIATIONS} does not give {count} standard deviations; get it again")
    basis = values.reshape(count + 1, -1)[1:][:NATIVE]  # (N, 3V')
    return (basis * deviation[: len(basis), None]).reshape(len(basis), -1, 3).astype(np.float32)


def renumbered(triangles: Array, kept: Array, count: int) -> Array:
    """Keeps the triangles between kept vertices, numbered anew."""
    number = np.full(count, -1)
    number[kept] = np.arange(len(kept))
    new = number[triangles]
    return new[(new >= 0).all(1)].astype(np.int32)
