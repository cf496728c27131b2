"""Do heads turn as asked: python benchmarks/pose.py CLIP... [-o DIR]

The clip's own motion is given offsets of 5 and 10 degrees, either way, in pitch, yaw and roll, one after the other, and
drawn without training.  The result is tracked anew, beside the same frames unedited: asked against obtained turns.
A contact sheet of the held offsets is written for each clip.  Never asserts anything.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray
from retac_shared.options import (
    AdaptOptions,
    CompositeOptions,
    IngestOptions,
    JobSpec,
    RenderOptions,
    TrackOptions,
)

from retac_node import media, recipe
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Motion
from retac_node.desk import Desk
from retac_node.engine.stage import Context
from retac_node.ops.geometry import axis_angle, rotation_matrix
from retac_node.stages import composite, encode, ingest, motion, render, track

AXES = ("pitch", "yaw", "roll")
DEGREES = (5, -5, 10, -10)
CHUNK = 16
SHEET_WIDTH = 640  # pixels of a cell


@dataclass(frozen=True)
class Asked:
    """The unedited frames come first, then each offset: ramped in from the one before, then held."""

    motion: Motion
    offset: NDArray[np.int64]  # (U,) which of the twelve offsets, -1 unedited
    held: NDArray[np.bool_]  # (U,) past the ramp


def asked(found: FaceTrack, fps: float, start: int, span: int, ramp: int, hold: int) -> Asked:
    """Lays the offsets over source frames [start, start + span), back and forth."""
    offsets = np.array([[d * (axis == a) for a in range(3)] for axis in range(3) for d in DEGREES], np.float32)
    rise = np.clip((np.arange(ramp + hold) + 1) / (ramp + 1), 0, 1)
    rise = (rise * rise * (3 - 2 * rise))[:, None]
    before = np.concatenate([np.zeros((1, 3), np.float32), offsets[:-1]])
    curves = [a + (b - a) * rise for a, b in zip(before, offsets, strict=True)]
    turns = np.concatenate([np.zeros((span, 3)), *curves])  # (U, 3) degrees
    source = start + motion.walk(0, len(turns), span)
    rotation = (found.rotation[source] + np.radians(turns)).astype(np.float32)
    made = Motion(fps, found.expression[source], rotation, found.translation[source], source.astype(np.int32), ())
    number = np.concatenate([np.full(span, -1), np.repeat(np.arange(len(offsets)), ramp + hold)])
    held = np.concatenate([np.ones(span, bool), np.tile(np.arange(ramp + hold) >= ramp, len(offsets))])
    return Asked(made, number, held)


def drawn(ctx: Context, clip: Clip, found: FaceTrack, adapted: Adapted, made: Motion) -> list[U8]:
    """Renders and composites the motion -> frames (H, W, 3)."""
    count = len(made.source_frame)
    patches = []
    for start in range(0, count, CHUNK):
        span = (start, min(start + CHUNK, count))
        frames = render.run(ctx, RenderOptions(), span, clip, found, adapted, made)
        patches.append(composite.run(ctx, CompositeOptions(), span, clip, found, adapted, made, frames))
    plates = media.frames_at(ctx.source(clip.sha256), clip, made.source_frame.tolist())
    return list(encode.pasted(plates, tuple(patches), 0))


def tracked(pictures: list[U8], fps: Fraction, folder: Path) -> FaceTrack:
    """Tracks the pictures as a clip of their own."""
    path = folder / "turned.mp4"
    media.write_video(path, pictures, fps, pictures[0].shape[1], pictures[0].shape[0], crf=8)
    digest = recipe.digest(path)
    ctx = Context(folder, "cpu", {digest: path})
    return track.run(ctx, TrackOptions(), ingest.run(ctx, IngestOptions(digest)))


def turns(after: F32, before: F32) -> F32:
    """Gives the turn (n, 3, 3) from poses `before` to `after`, both axis-angle (n, 3)."""
    return rotation_matrix(after.astype(np.float64)) @ rotation_matrix(before.astype(np.float64)).swapaxes(1, 2)


def errors(found: FaceTrack, again: FaceTrack, wish: Asked) -> tuple[F32, F32]:
    """Gives the obtained turn (U, 3) and its angle to the asked one (U,), degrees."""
    source = wish.motion.source_frame
    plain = {int(frame): u for u, frame in enumerate(source) if wish.offset[u] < 0}
    beside = again.rotation[[plain[int(frame)] for frame in source]]
    wanted, made = turns(wish.motion.rotation, found.rotation[source]), turns(again.rotation, beside)
    apart = axis_angle(made @ wanted.swapaxes(1, 2))
    return np.degrees(axis_angle(made)), np.degrees(np.linalg.norm(apart, axis=1))


def measure(ctx: Context, clip: Clip, found: FaceTrack, adapted: Adapted, wish: Asked, out: Path) -> list[str]:
    """Draws, tracks and compares one clip; gives the table's rows."""
    pictures = drawn(ctx, clip, found, adapted, wish.motion)
    write_sheet(out / f"{Path(clip.name).stem}.turned.png", pictures, wish)
    with tempfile.TemporaryDirectory() as name:
        again = tracked(pictures, clip.fps, Path(name))
    made, apart = errors(found, again, wish)
    rows = []
    for n, (axis, degrees) in enumerate((axis, d) for axis in range(3) for d in DEGREES):
        which = (wish.offset == n) & wish.held
        got, error = made[which, axis].mean(), apart[which].mean()
        rows.append(f"| {clip.name} | {AXES[axis]} | {degrees:+d} | {got:+.2f} | {error:.2f} |")
    edited = wish.offset >= 0
    rows.append(f"| {clip.name} | all, ramps too | | | {apart[edited].mean():.2f}, worst {apart[edited].max():.2f} |")
    return rows


def write_sheet(path: Path, pictures: list[U8], wish: Asked) -> None:
    """Writes the last frame of each offset, a row an axis."""
    last = [np.flatnonzero(wish.offset == n)[-1] for n in range(wish.offset.max() + 1)]
    step = max(1, round(pictures[0].shape[1] / SHEET_WIDTH))
    cells = [pictures[u][::step, ::step] for u in last]
    rows = [np.concatenate(cells[n : n + len(DEGREES)], 1) for n in range(0, len(cells), len(DEGREES))]
    media.write_png(path, np.concatenate(rows))


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/pose.py", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("."), help="folder for the contact sheets")
    parser.add_argument("--work", type=Path, help="folder that keeps finished tasks (default: one that is thrown away)")
    parser.add_argument("--start", type=int, default=10, help="the first source frame")
    parser.add_argument("--span", type=int, default=24, help="how many source frames lie behind the turns")
    parser.add_argument("--hold", type=int, default=12, help="frames that each offset is held")
    given = parser.parse_args()
    print("| clip | axis | asked, degrees | obtained | mean error |\n|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        desk = Desk(given.work or Path(name) / "work", "auto", lambda event: None, Event())
        for path in given.clips:
            digest = recipe.digest(path)
            sources = {digest: path.absolute()}
            spec = JobSpec(IngestOptions(digest), adapt=AdaptOptions(train_minutes=0.0))
            results = desk.run(spec, sources, ("ingest", "track", "adapt"))
            clip, found = results["ingest"], results["track"]
            wish = asked(found, float(clip.fps), given.start, given.span, max(1, given.hold // 3), given.hold)
            ctx = Context(Path(name), "cpu", sources)
            print("\n".join(measure(ctx, clip, found, results["adapt"], wish, given.out)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
