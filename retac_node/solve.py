"""`retac solve`: the head of a clip as numbers, as an animated mesh, and drawn over the clip.  Never trains."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from retac_shared.options import IngestOptions, JobSpec, TrackOptions

from retac_node import gltf, media, recipe, results
from retac_node.data import Clip, FaceTrack, Likeness
from retac_node.desk import Desk
from retac_node.errors import BadInput
from retac_node.models.head import load_head
from retac_node.overlay import enlargement, overlay


@dataclass(frozen=True)
class SolvedFiles:
    face: Path  # arrays: coefficients (T, 257), the fields of FaceTrack, names of the units, fps
    head: Path
    overlay: Path


def solve(clip: Path, folder: Path, subject: int | None, lens: float | None, desk: Desk) -> SolvedFiles:
    """Writes face.npz, head.glb and overlay.mp4 into the folder.  Raises BadInput, OutOfSpace, Refused, Cancelled."""
    results.check_folder(folder)
    digest = recipe.digest(clip)
    spec = JobSpec(IngestOptions(digest), checked(subject, lens))
    found = desk.run(spec, {digest: clip.absolute()}, ("ingest", "track", "mesh"))
    with results.asides(folder) as part:
        write_face(part / "face.npz", found["ingest"], found["track"])
        write_head(part / "head.glb", found["ingest"], found["track"], found["mesh"])
        write_overlay(part / "overlay.mp4", clip, found["ingest"], found["track"])
    return SolvedFiles(folder / "face.npz", folder / "head.glb", folder / "overlay.mp4")


def checked(subject: int | None, lens: float | None) -> TrackOptions:
    try:
        return TrackOptions(subject, lens=lens)
    except ValueError as error:
        raise BadInput(str(error)) from error


def write_face(target: Path, clip: Clip, track: FaceTrack) -> None:
    fields = {field.name: getattr(track, field.name) for field in dataclasses.fields(track)}
    head = load_head()
    names, coefficients = np.array(head.expression_names), track.coefficients(head.native)
    with open(target, "wb") as file:
        np.savez(file, coefficients=coefficients, names=names, fps=np.float64(clip.fps), **fields)


def write_head(target: Path, clip: Clip, track: FaceTrack, likeness: Likeness) -> None:
    target.write_bytes(gltf.head_glb(load_head(), track, float(clip.fps), likeness.texture))


def write_overlay(target: Path, path: Path, clip: Clip, track: FaceTrack) -> None:
    sound = clip.audio if len(clip.audio) else None
    pictures = overlay(path, clip, track, load_head())
    factor = enlargement(clip.height)
    size = factor * clip.width, factor * clip.height
    media.write_video(target, pictures, clip.fps, *size, sound, clip.audio_rate, crf=18)
