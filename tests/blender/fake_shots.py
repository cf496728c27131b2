"""A node's craft for tests of the add-on: real ingest and encode, real parts, and for the rest a few lines each.

Runs in the node's Python, never in Blender's.  As a program it makes the clip: python -m tests.blender.fake_shots CLIP.mp4
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from retac_shared.motion import FaceMesh

from retac_node import parts, recipe
from retac_node.data import FaceTrack
from retac_node.limits import check_clip
from retac_node.worker import Craft
from tests import fake_dub

PAUSE = float(os.environ.get("FAKE_STAGE", 0))  # seconds that the training lasts
WEIGHTS = Path(recipe.__file__).parent / "weights" / "head.npz"
SIDE = 16  # pixels of the texture
recipe.CHUNK = 8
with np.load(WEIGHTS) as head:
    fake_dub.UNITS = tuple(str(name) for name in head["expression_names"])


def ball() -> tuple[np.ndarray, np.ndarray]:
    """An octahedron of 20 cm: vertices (6, 3) and triangles (8, 3)."""
    vertices = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32) / 10
    return vertices, np.array([(a, b, c) for a in (0, 3) for b in (1, 4) for c in (2, 5)], np.int32)


def mesh() -> FaceMesh:
    vertices, triangles = ball()
    shapes = np.random.default_rng(0).normal(0, 0.01, (len(fake_dub.UNITS), *vertices.shape)).astype(np.float32)
    uv = (vertices[:, :2] * 5 + 0.5).astype(np.float32)
    return FaceMesh(vertices, triangles, uv, np.full((6, 3), 128, np.uint8), shapes, fake_dub.UNITS)


def write_track(path: Path, clip: Any, track: FaceTrack) -> None:
    fields = {name: getattr(track, name) for name in track.__dataclass_fields__}
    with open(path, "wb") as file:
        np.savez(file, names=np.array(fake_dub.UNITS), fps=np.float64(clip.fps), **fields)


def head_parts(desk: parts.Desktop, track: FaceTrack, frames: Any) -> Any:
    clip = desk.result("ingest")
    yield "track.npz", lambda path: write_track(path, clip, track)
    yield "mesh.npz", lambda path: parts.write_mesh(path, mesh())
    yield "texture.png", lambda path: parts.write_picture(path, np.full((SIDE, SIDE, 3), 160, np.uint8))


def adapt(ctx: Any, options: Any, *inputs: Any) -> Any:
    steps = round(PAUSE / 0.02)
    for _ in ctx.track(range(steps), label="learning"):
        time.sleep(0.02)
    return fake_dub.Adapted({}, str(ctx.folder), {"steps": float(steps)})


TABLE = fake_dub.TABLE | {"adapt": fake_dub.dataclasses.replace(fake_dub.TABLE["adapt"], run=adapt)}
CRAFT = Craft(TABLE, {**parts.MAKERS, "track": head_parts}, check_clip)

if __name__ == "__main__":
    fake_dub.small_clip(Path(sys.argv[1]), seconds=2.0)
