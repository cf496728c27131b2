"""`retac solve`: the head of a clip as numbers, as an animated mesh, and drawn over the clip.  Never trains."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from retac_shared.options import IngestOptions, JobSpec, TrackOptions

from retac_node import gltf, media, recipe, results
from retac_node.data import Clip, FaceTrack
from retac_node.desk import Desk
from retac_node.models.head import load_head
from retac_node.overlay import enlargement, overlay


@dataclass(frozen=True)
class SolvedFiles:
    face: Path  # arrays: coefficients (T, 257), the fields of FaceTrack, names of the units, fps
    head: Path
    overlay: Path


def solve(clip: Path, folder: Path, subject: int | None, desk: Desk) -> SolvedFiles:
    """Writes face.npz, head.glb and overlay.mp4 into the folder.  Raises BadInput, OutOfSpace, Refused, Cancelled."""
    results.check_folder(folder)
    digest = recipe.digest(clip)
    spec = JobSpec(IngestOptions(digest), TrackOptions(subject))
    found = desk.run(spec, {digest: clip.absolute()}, ("ingest", "track"))
    with results.asides(folder) as part:
        write_face(part / "face.npz", found["ingest"], found["track"])
        (part / "head.glb").write_bytes(gltf.head_glb(load_head(), found["track"], float(found["ingest"].fps)))
        write_overlay(part / "overlay.mp4", clip, found["ingest"], found["track"])
    return SolvedFiles(folder / "face.npz", folder / "head.glb", folder / "overlay.mp4")


def write_face(target: Path, clip: Clip, track: FaceTrack) -> None:
    fields = {field.name: getattr(track, field.name) for field in dataclasses.fields(track)}
    names = np.array(load_head().expression_names)
    with open(target, "wb") as file:
        np.savez(file, coefficients=track.coefficients(), names=names, fps=np.float64(clip.fps), **fields)


def write_overlay(target: Path, path: Path, clip: Clip, track: FaceTrack) -> None:
    sound = clip.audio if len(clip.audio) else None
    pictures = overlay(path, clip, track, load_head())
    factor = enlargement(clip.height)
    size = factor * clip.width, factor * clip.height
    media.write_video(target, pictures, clip.fps, *size, sound, clip.audio_rate, crf=18)
