"""The files that a job gives before it ends and at its end, each made from a finished task's result.

Runs in a worker.  A part's name says what it is and where it belongs; the node stores it by what is in it.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from retac_shared.motion import save_motion
from retac_shared.order import Goal

from retac_node.data import Clip, FaceMesh, FaceTrack, Likeness, Motion, Patches, Report, Speech, Video
from retac_node.engine.plan import Range

QUALITY = 90  # of preview pictures, JPEG


@dataclass(frozen=True)
class Desktop:
    """What can be asked while a job runs."""

    clip: Path  # the clip's file
    result: Callable[[str], Any]  # name of a stage that ended -> its result
    seconds: Callable[[], Mapping[str, float]]  # that each stage took so far
    warnings: Callable[[], Sequence[str]]
    goal: Goal = "dub"  # what the job is asked for


Write = Callable[[Path], object]  # writes a part where it is told
Maker = Callable[
    [Desktop, Any, Range | None], Iterator[tuple[str, Write]]
]  # a task's result -> its parts, made on call


def head(desk: Desktop, track: FaceTrack, frames: Range | None) -> Iterator[tuple[str, Write]]:
    from retac_node import solve  # draws with libraries that take seconds to import

    clip: Clip = desk.result("ingest")
    yield "track.npz", lambda path: solve.write_face(path, clip, track)


def mesh(desk: Desktop, likeness: Likeness, frames: Range | None) -> Iterator[tuple[str, Write]]:
    yield "mesh.npz", lambda path: write_mesh(path, likeness.mesh)
    yield "texture.png", lambda path: write_picture(path, likeness.texture)
    if desk.goal == "solve":
        yield from words(desk.result("ingest"))


def words(clip: Clip) -> Iterator[tuple[str, Write]]:
    """Yields what the clip itself says, where there are ears for it."""
    from retac_node import heard

    if heard.possible(clip):
        yield "words.json", lambda path: heard.write(path, clip)


def write_mesh(path: Path, shown: FaceMesh) -> None:
    fields = {field.name: np.asarray(getattr(shown, field.name)) for field in dataclasses.fields(shown)}
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **fields)


def speech(desk: Desktop, spoken: Speech, frames: Range | None) -> Iterator[tuple[str, Write]]:
    from retac_node import speak

    yield "speech.wav", lambda path: speak.write_sound(path, spoken)
    yield "timing.json", lambda path: speak.write_timing(path, spoken)


def curves(desk: Desktop, motion: Motion, frames: Range | None) -> Iterator[tuple[str, Write]]:
    yield "motion.npz", lambda path: save_motion(path, motion)


def previews(desk: Desktop, patches: Patches, frames: Range | None) -> Iterator[tuple[str, Write]]:
    """Yields a picture for each output frame of the chunk, at the plate's size."""
    from retac_node import media
    from retac_node.stages.encode import paste

    clip, motion = desk.result("ingest"), desk.result("motion")

    readers: list[media.Reader] = []  # one, from the first picture on

    def picture(n: int, path: Path) -> None:
        if not readers:
            readers.append(media.Reader(desk.clip))
        plate = readers[0].rgb(float(clip.times[motion.source_frame[patches.start + n]]))
        paste(plate, patches.corner[n], patches.rgb[n], patches.matte[n, 0])
        write_picture(path, plate)

    try:
        for n in range(len(patches.rgb)):
            yield f"preview/{patches.start + n:06d}.jpg", partial(picture, n)
    finally:
        for reader in readers:
            reader.close()


def video(desk: Desktop, made: Video, frames: Range | None) -> Iterator[tuple[str, Write]]:
    folder = Path(made.folder)
    yield "video.mp4", partial(link, folder / made.mp4)
    if made.frames:
        for path in sorted((folder / made.frames).glob("*.png")):
            yield f"frames/{path.name}", partial(link, path)
            yield f"mattes/{path.name}", partial(link, folder / made.mattes / path.name)


def page(desk: Desktop, report: Report, frames: Range | None) -> Iterator[tuple[str, Write]]:
    from retac_node import dub

    text = dub.page(report, desk.seconds(), desk.warnings())
    yield "report.html", lambda path: path.write_text(text, encoding="utf-8")


def link(source: Path, target: Path) -> None:
    """Gives a file another name, without copying it where that can be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_picture(path: Path, rgb: Any) -> None:
    """Writes (H, W, 3) u8 RGB in the format of the name's ending."""
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if path.suffix == ".jpg" else []
    done, data = cv2.imencode(path.suffix, rgb[..., ::-1], flags)
    assert done, f"a picture of {rgb.shape} {rgb.dtype} cannot be written"
    path.write_bytes(data.tobytes())


MAKERS: Mapping[str, Maker] = {
    "track": head,
    "mesh": mesh,
    "voice": speech,
    "motion": curves,
    "composite": previews,
    "encode": video,
    "report": page,
}  # stage -> what makes the parts of its results
