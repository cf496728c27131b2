"""How fast the head is rasterised, and how near the render alone comes to frames it never read:

    python benchmarks/render.py [CLIP ...] [--learn 0.6]

The first table needs no clip.  For the second each clip is solved (once: the result is kept as `retac dub` keeps it), the
texture is gathered from its first part, and frames of the rest are drawn by solve, light and texture alone.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from time import perf_counter

import cv2
import numpy as np
import torch
from retac_shared.options import IngestOptions, JobSpec, TrackOptions

from retac_node import media, recipe
from retac_node.data import F32, U8, Clip, FaceTrack
from retac_node.desk import Desk
from retac_node.models.head import Head, load_head, posed, vertices
from retac_node.models.landmarks3d import OVAL
from retac_node.models.puppet import rig, source_places
from retac_node.models.skin import Look, Skin, learn_texture, lights, look, paint
from retac_node.ops.geometry import project
from retac_node.ops.raster import rasterise, rasterise_frames
from retac_node.ops.raster_edges import edges
from retac_node.ops.rasterisers import RASTERISERS, installed
from retac_node.ops.texture import OUTLINE
from retac_node.ops.window import cut, into_window

BATCH, TIMES = 8, 5
TESTED = 24  # frames of the rest
APART = 5  # frames left out between the two parts
WIDE = 0.06  # of the window's side: how far the colour gain is blurred, as the renderer's is


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/render.py", description=__doc__)
    parser.add_argument("clips", type=Path, nargs="*")
    parser.add_argument("--learn", type=float, default=0.6, help="share of the clip that the texture is read from")
    parser.add_argument("--work", type=Path, help="where solved clips are kept")
    asked = parser.parse_args()
    print("\n".join(speed_table()))
    if asked.clips:
        print("\n" + "\n".join(likeness_table(asked.clips, asked.learn, asked.work)))
    return 0


def speed_table() -> list[str]:
    rows = ["| rasteriser | side, pixels | ms a frame | of numba, one frame |", "|---|---:|---:|---:|"]
    head = load_head()
    for side in (256, 512):
        turns = np.array([[0, 0.1 * k - 0.3, 0] for k in range(BATCH)], np.float32)
        points = posed(np.tile(head.mean, (BATCH, 1, 1)), turns, np.tile(np.float32([0, 0, 0.7]), (BATCH, 1)))
        at = project(points, 2.35 * side, side, side).astype(np.float32)
        one = rasterise(at[0], head.triangles, side, side)
        base = milliseconds(lambda at=at, side=side: rasterise(at[0], head.triangles, side, side))
        outlined = milliseconds(lambda at=at, one=one: edges(one, at[0], head.triangles, OUTLINE))
        rows += [
            line("numba, one frame", side, base, base),
            line("16 samples on outlines, besides", side, outlined, base),
        ]
        for name, device in backends():
            draw = RASTERISERS[name](device)
            taken = milliseconds(lambda draw=draw, at=at, side=side: draw(at, head.triangles, side, side)) / BATCH
            rows.append(line(f"{name} on {device}, {BATCH} frames at once", side, taken, base))
    return rows


def backends() -> list[tuple[str, str]]:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    return [(name, device) for name in installed() for device in (["cpu"] if name == "numba" else devices)]


def milliseconds(work: Callable[[], object]) -> float:
    """Gives the best of a few runs, after one that warms up."""
    work()
    taken = []
    for _ in range(TIMES):
        began = perf_counter()
        work()
        taken.append(perf_counter() - began)
    return 1000 * min(taken)


def line(name: str, side: int, taken: float, base: float) -> str:
    return f"| {name} | {side} | {taken:.1f} | {taken / base:.2f} |"


def likeness_table(clips: list[Path], share: float, work: Path | None) -> list[str]:
    rows = ["| clip | window | frames | PSNR, dB | lowest | with the plate's colour | step over seams, of neighbours |"]
    rows.append("|---|---:|---:|---:|---:|---:|---:|")
    for path in clips:
        clip, track = solved(path, work)
        plain, matched, seam = likeness(path, clip, track, share)
        figures = f"{np.mean(plain):.2f} | {np.min(plain):.2f} | {np.mean(matched):.2f} | {seam:.2f}"
        rows.append(f"| {path.stem} | {track.crop_size} | {len(plain)} | {figures} |")
    return rows


def solved(path: Path, work: Path | None) -> tuple[Clip, FaceTrack]:
    digest = recipe.digest(path)
    print(f"solving {path.name}", file=sys.stderr)
    desk = Desk(work, "auto", lambda event: None, Flag())
    found = desk.run(JobSpec(IngestOptions(digest), TrackOptions()), {digest: path.absolute()}, ("ingest", "track"))
    return found["ingest"], found["track"]


@dataclass(frozen=True)
class Shown:
    """Source frames, their windows, and where the rig lies in them."""

    frames: np.ndarray  # (n,)
    windows: U8  # (n, h, w, 3)
    at: F32  # (n, V + 20, 3)


def likeness(path: Path, clip: Clip, track: FaceTrack, share: float) -> tuple[list[float], list[float], float]:
    """Gives dB of each tested frame, the same with the plate's colour, and the texture's step over seams."""
    head = load_head()
    seen = np.flatnonzero(track.confidence > 0).astype(np.int32)
    end = round(share * len(track.confidence))
    first, rest = seen[seen < end], seen[seen >= end + APART]
    learnt = shown(path, clip, track, first[:: max(1, len(first) // 60)])
    tested = shown(path, clip, track, rest[np.linspace(0, len(rest) - 1, min(TESTED, len(rest))).astype(int)])
    texture, confidence = learn_texture(head, track, learnt.windows, learnt.at, learnt.frames)
    person = look(head, track, texture, confidence)
    plain, matched = [], []
    for frame, window, at in zip(tested.frames, tested.windows, tested.at, strict=True):
        drawn, there = render(person, track, int(frame), at)
        region = face(track, int(frame)) & (there > 0.5)
        plain.append(decibels(drawn, window, region))
        matched.append(decibels(recoloured(drawn, window, region), window, region))
    return plain, matched, seam_step(head, texture)


def shown(path: Path, clip: Clip, track: FaceTrack, frames: np.ndarray) -> Shown:
    plates = media.frames_at(path, clip, frames.tolist())
    windows = [cut(plate, track.crop_from_frame[n], track.crop_size) for n, plate in zip(frames, plates, strict=True)]
    return Shown(frames, np.stack(windows), source_places(rig(load_head()), track, frames))


def render(person: Look, track: FaceTrack, frame: int, at: F32) -> tuple[F32, F32]:
    """Draws a source frame's head by its solve, light and the texture alone: (h, w, 3) [0, 255] and coverage (h, w)."""
    one = slice(frame, frame + 1)
    shape = vertices(person.head, track.identity, track.expression[one])
    shading = lights(person, track, frame, posed(shape, track.rotation[one], track.translation[one])[0])
    none = np.zeros(len(shading), np.float32)
    return paint(Skin(person, shading, none, 0.0), at, track.crop_size, track.crop_size, rasterise_frames)


def face(track: FaceTrack, frame: int) -> np.ndarray:
    """Marks the pixels (h, w) within the landmarks' oval."""
    points = into_window(track.landmarks[frame : frame + 1], track.crop_from_frame[frame : frame + 1])[0][OVAL, :2]
    filled = np.zeros((track.crop_size, track.crop_size), np.uint8)
    return np.asarray(cv2.fillPoly(filled, [np.rint(points).astype(np.int32)], 1)) > 0


def decibels(drawn: F32, window: U8, region: np.ndarray) -> float:
    return float(-10 * np.log10(np.square((drawn[region] - window[region]) / 255).mean()))


def recoloured(drawn: F32, window: U8, region: np.ndarray) -> F32:
    """Gives the render the window's colour as far as that varies slowly."""
    held = region[..., None].astype(np.float32)
    wide = [cv2.GaussianBlur(picture * held, (0, 0), WIDE * len(window)) + 1 for picture in (window, drawn)]
    return drawn * wide[0] / wide[1]


def seam_step(head: Head, texture: U8) -> float:
    """Gives the mean colour step between the two sides of seams, in mean steps between neighbouring vertices there."""
    columns, rows = np.clip(head.uv * len(texture), 0, len(texture) - 1).astype(int).T
    colour = texture[rows, columns].astype(float)  # (V, 3)
    skin = head.triangles[head.part == 0]
    seam = np.flatnonzero((head.twin != np.arange(len(head.twin))) & np.isin(np.arange(len(head.twin)), skin))
    seam = seam[np.isin(head.twin[seam], skin)]
    edge = np.concatenate([skin[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    edge = edge[np.isin(head.twin[edge], head.twin[seam]).any(1)]
    if len(seam) == 0:
        return 0.0
    across = np.abs(colour[seam] - colour[head.twin[seam]]).mean()
    return float(across / np.abs(colour[edge[:, 0]] - colour[edge[:, 1]]).mean())


if __name__ == "__main__":
    sys.exit(main())
