"""Measures the solve: against the truth of the embedded sample, and on clips against what the landmark net saw.

    python benchmarks/head.py [CLIP...] [--seconds 8] [--seed 0]

Prints one table for the sample and one row a clip.  Constant offsets are told apart from errors that move: where a
person's head looks straight ahead, and how large it is, no picture says.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import numpy as np
from retac_shared.options import IngestOptions, TrackOptions
from scipy.ndimage import gaussian_filter1d

from retac_node import recipe
from retac_node.data import F32, Clip, FaceTrack
from retac_node.engine.stage import Context
from retac_node.models.head import Head, load_head, neutral
from retac_node.models.landmarks3d import LIPS, LOWER_LIP, UPPER_LIP, landmark_basis
from retac_node.ops.geometry import axis_angle, rotation_matrix
from retac_node.ops.solve import expected
from retac_node.stages import ingest, track
from retac_node.stages.track import FILM
from retac_node.train.sample import Truth, make

STILL = 1.5  # degrees a second below which a head counts as still
STEADY_SECONDS = 0.2  # over which that speed is taken
FACE_OF_CROP = 1.6  # a 512 crop is this many face heights high
EYES = (33, 263)  # outer corners


@dataclass(frozen=True)
class Done:
    clip: Clip
    found: FaceTrack
    seconds: float  # of the track stage


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks/head.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("--seconds", type=float, default=8.0, help="of the sample; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=0, help="of the sample: another number is another person")
    asked = parser.parse_args()
    head = load_head()
    with tempfile.TemporaryDirectory() as folder:
        if asked.seconds:
            path = Path(folder) / "sample.mp4"
            truth = make(path, asked.seconds, 512, Fraction(25), asked.seed)
            lens = FILM * float(truth.focal) / 512
            against_truth(head, truth, *(tracked(path, Path(folder), known).found for known in (None, lens)))
        print(
            "\n| clip | frames | landmarks px at 512 | less steady | lips | aperture r | slope | jitter deg | frames/s |"
        )
        print("|" + "---|" * 9)
        for path in asked.clips:
            print(f"| {path.stem} | {' | '.join(on_clip(head, tracked(path, Path(folder))))} |", flush=True)


def tracked(path: Path, folder: Path, lens: float | None = None) -> Done:
    digest = recipe.digest(path)
    ctx = Context(folder, "cpu", {digest: path.absolute()})
    clip = ingest.run(ctx, IngestOptions(digest))
    start = perf_counter()
    return Done(clip, track.run(ctx, TrackOptions(lens=lens), clip), perf_counter() - start)


def against_truth(head: Head, truth: Truth, guessed: FaceTrack, given: FaceTrack) -> None:
    rows = [errors(head, truth, found) for found in (guessed, given)]
    print("| against the truth | lens guessed | lens given |\n|---|---:|---:|")
    for name in rows[0]:
        print(f"| {name} | {rows[0][name]:.3f} | {rows[1][name]:.3f} |")


def errors(head: Head, truth: Truth, found: FaceTrack) -> dict[str, float]:
    off = rotation_matrix(found.rotation) @ rotation_matrix(truth.rotation).swapaxes(1, 2)
    turn = np.rad2deg(axis_angle(off))  # (T, 3)
    away = found.translation - truth.translation
    distance = np.linalg.norm(truth.translation, axis=1)
    sized = found.translation * (truth.translation[:, 2].mean() / found.translation[:, 2].mean())
    shape = neutral(head, found.identity) - neutral(head, truth.identity)
    face = (head.spoken > 0) | (head.mean[:, 2] < -0.05)
    rows = {
        "rotation, degrees, mean": np.linalg.norm(turn, axis=1).mean(),
        "rotation less its constant offset": np.linalg.norm(turn - turn.mean(0), axis=1).mean(),
        "focal length against the truth": found.focal / float(truth.focal),
        "translation, of the distance": (np.linalg.norm(away, axis=1) / distance).mean(),
        "translation less its scale": (np.linalg.norm(sized - truth.translation, axis=1) / distance).mean(),
        "identity, mm, face, less its offset": 1e3 * np.linalg.norm(shape[face] - shape[face].mean(0), axis=1).mean(),
        "identity of the mean head, mm": 1e3 * np.linalg.norm(settled(head, truth)[face], axis=1).mean(),
    }
    for name in ("jawOpen", "eyeBlinkLeft", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "browInnerUp"):
        true, got = (e[:, head.unit(name)] for e in (truth.expression, found.expression))
        rows |= {f"{name} r": correlation(true, got), f"{name} slope": slope(true, got)}
    basis = landmark_basis(head)
    gaps = [lip_gap(basis.expression, basis.index, e) for e in (truth.expression, found.expression)]
    rows |= {"lip gap r": correlation(*gaps), "lip gap slope": slope(*gaps)}
    return rows


def settled(head: Head, truth: Truth) -> F32:
    away = head.mean - neutral(head, truth.identity)
    return away - away[head.mean[:, 2] < -0.05].mean(0)


def lip_gap(basis: F32, index: F32, expression: F32) -> F32:
    upper, lower = (int(np.flatnonzero(index == lip)[0]) for lip in (UPPER_LIP, LOWER_LIP))
    return np.asarray(expression @ (basis[:, lower, 1] - basis[:, upper, 1]))


def on_clip(head: Head, done: Done) -> list[str]:
    basis = landmark_basis(head)
    known = done.found.confidence > 0
    seen = done.found.landmarks[known][:, basis.index, :2]
    made = expected(basis, done.found)[known]
    unit = np.ptp(done.found.landmarks[known][..., 1], axis=1).mean() * FACE_OF_CROP / 512  # plate pixels
    off = (made - seen) / unit
    lips = np.isin(basis.index, LIPS)
    steady = off - off.mean(0)
    gaps = [aperture(points, basis.index) for points in (seen, made)]
    size = lambda values: float(np.linalg.norm(values, axis=-1).mean())  # noqa: E731
    values = (size(off), size(steady), size(steady[:, lips]), correlation(*gaps), slope(*gaps), jitter(done))
    return [str(len(seen)), *(f"{value:.3f}" for value in values), f"{len(known) / done.seconds:.1f}"]


def aperture(points: F32, index: F32) -> F32:
    """Gives the distance of the inner lips' middles over that of the eyes' corners, (n,)."""
    at = {name: int(np.flatnonzero(index == name)[0]) for name in (UPPER_LIP, LOWER_LIP, *EYES)}
    lips, eyes = (points[:, at[a]] - points[:, at[b]] for a, b in ((UPPER_LIP, LOWER_LIP), EYES))
    return np.asarray(np.linalg.norm(lips, axis=1) / np.linalg.norm(eyes, axis=1))


def jitter(done: Done) -> float:
    """Gives the mean turn from frame to frame where the head is still, degrees; NaN where it never is."""
    fps = float(done.clip.fps)
    turns = np.rad2deg(done.found.rotation)
    slow = gaussian_filter1d(turns, STEADY_SECONDS * fps, axis=0, mode="nearest")
    still = np.linalg.norm(np.diff(slow, axis=0), axis=1) * fps < STILL
    step = np.linalg.norm(np.diff(turns, axis=0), axis=1)
    return float(step[still].mean()) if still.any() else float("nan")


def correlation(a: Sequence[float] | F32, b: Sequence[float] | F32) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def slope(true: F32, found: F32) -> float:
    return float(np.polyfit(true, found, 1)[0])


if __name__ == "__main__":
    main()
