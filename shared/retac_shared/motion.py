"""The values an artist can show and edit: curves and the mesh they drive.  No I/O but the .npz sidecar."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Motion:
    """Head pose and expression at each output frame; camera space and units as in retac_node.data."""

    fps: float
    expression: NDArray[np.float32]  # (U, E) activations
    rotation: NDArray[np.float32]  # (U, 3) axis-angle, head -> camera
    translation: NDArray[np.float32]  # (U, 3) metres
    source_frame: NDArray[np.int32]  # (U,) which source frame lies behind each output frame
    names: tuple[str, ...]  # (E,) of the expression units


@dataclass(frozen=True)
class FaceMesh:
    """The solved head for display."""

    vertices: NDArray[np.float32]  # (V, 3) metres, head space
    triangles: NDArray[np.int32]  # (F, 3)
    uv: NDArray[np.float32]  # (V, 2) [0, 1], origin at the lower left
    colour: NDArray[np.uint8]  # (V, 3)
    expression_basis: NDArray[np.float32]  # (E, V, 3) metres at activation 1
    names: tuple[str, ...]  # (E,)


class BadMotion(ValueError):
    """The file does not hold a Motion; the message says why."""


def save_motion(path: Path, motion: Motion) -> None:
    with open(path, "wb") as file:
        np.savez(
            file,
            fps=np.float64(motion.fps),
            expression=motion.expression,
            rotation=motion.rotation,
            translation=motion.translation,
            source_frame=motion.source_frame,
            names=np.array(motion.names),
        )


def load_motion(path: Path) -> Motion:
    """Reads and checks a sidecar.  Raises BadMotion with one sentence."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise BadMotion(f"{path} cannot be read as a motion file (.npz): {error}") from error
    missing = {"fps", "expression", "rotation", "translation", "source_frame", "names"} - held.keys()
    if missing:
        raise BadMotion(
            f"{path} lacks the arrays {', '.join(sorted(missing))}; write it with the same names as the sidecar"
        )
    frames = len(held["source_frame"])
    wanted = {
        "expression": (frames, len(held["names"])),
        "rotation": (frames, 3),
        "translation": (frames, 3),
        "source_frame": (frames,),
    }
    for name, shape in wanted.items():
        if held[name].shape != shape or not np.issubdtype(held[name].dtype, np.number):
            raise BadMotion(f"{path}: {name} has shape {held[name].shape} but {shape} was expected")
        if not np.isfinite(held[name]).all():
            raise BadMotion(f"{path}: {name} holds numbers that are not finite")
    return Motion(
        fps=float(held["fps"]),
        expression=held["expression"].astype(np.float32),
        rotation=held["rotation"].astype(np.float32),
        translation=held["translation"].astype(np.float32),
        source_frame=held["source_frame"].astype(np.int32),
        names=tuple(str(name) for name in held["names"]),
    )
