"""Plates: a movie strip seen as a clip, with the scene frame on which each of its frames is shown.  Changes no strip."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import compat

MOVIES = ("MOVIE",)


@dataclass(frozen=True)
class Plate:
    strip: str  # its name
    path: Path  # absolute
    origin: int  # scene frame of the clip's frame 0, which may be trimmed away
    first: int  # scene frames [first, last) that the strip shows
    last: int
    fps: float  # the clip's; 0 where the file cannot be read
    size: tuple[int, int]  # W, H
    frames: int  # of the clip


def plate_of(context: Any) -> Plate | str:
    """Gives the movie strip that is chosen, or the sentence why there is none."""
    strip = chosen(compat.editing_scene(context))
    if strip is None:
        return "No movie strip is chosen: click the clip's strip in the sequencer, or import a clip from a file"
    return plate_from(strip)


def chosen(scene: Any) -> Any:
    """Gives the active strip where it is a movie, else the only movie among the selected ones, else the only one."""
    editor = scene.sequence_editor
    if editor is None:
        return None
    active = editor.active_strip
    if active is not None and active.type in MOVIES:
        return active
    movies = [strip for strip in compat.all_strips(scene) if strip.type in MOVIES and not is_result(strip)]
    for choice in ([strip for strip in movies if strip.select], movies):
        if len(choice) == 1:
            return choice[0]
    return None


def is_result(strip: Any) -> bool:
    return "retac_result" in strip


def plate_named(scene: Any, name: str) -> Plate | str:
    """Gives the plate of a strip that is known by its name, or the sentence why there is none."""
    found = [strip for strip in compat.all_strips(scene) if strip.name == name]
    if not found:
        return f"The strip “{name}” is not in this scene any more; choose the clip's strip again"
    return plate_from(found[0])


def plate_from(strip: Any) -> Plate | str:
    if strip.type not in MOVIES:
        return f"The strip “{strip.name}” is not a movie; choose the clip's strip"
    path = Path(bpy.path.abspath(strip.filepath))
    if not path.is_file():
        return f"The file of the strip “{strip.name}” is not there: {path}; find it with File > External Data"
    if odd := oddity(strip):
        return f"The strip “{strip.name}” {odd}; work on a strip that plays its clip as it is"
    first, last = compat.strip_range(strip)
    (origin, frames), element = compat.clip_span(strip), strip.elements[0]
    return Plate(
        strip.name,
        path,
        origin,
        int(first),
        int(last),
        float(element.orig_fps or strip.fps),
        (element.orig_width, element.orig_height),
        frames,
    )


def oddity(strip: Any) -> str:
    """Says what keeps a strip's frames from being its clip's frames, one for one."""
    if strip.use_reverse_frames:
        return "plays backwards"
    if getattr(strip, "retiming_keys", None) and len(strip.retiming_keys) > 0:
        return "is retimed"
    if strip.strobe > 1:
        return "shows every other frame only"
    return ""


def add_clip(scene: Any, path: Path, frame: int) -> Plate | str:
    """Puts a file's picture, and its sound where it has one, onto free channels; gives the plate, or why it cannot."""
    strips = compat.strips(scene)
    try:
        movie = strips.new_movie(path.stem, str(path), 1, frame)
    except RuntimeError as error:
        return f"{path.name} cannot be read as a movie: {error}"
    plate = plate_from(movie)
    if isinstance(plate, str) or plate.frames <= 0:
        strips.remove(movie)
        return plate if isinstance(plate, str) else f"{path.name} holds no picture; choose a movie file"
    movie.channel = free_channel(scene, plate.first, plate.last, 2, movie)
    sound = new_sound(scene, path.stem, path, frame, free_channel(scene, plate.first, plate.last, 1))
    if sound is not None:
        compat.trim(sound, plate.first, min(plate.last, int(compat.strip_range(sound)[1])))
    scene.sequence_editor.active_strip = movie
    return plate_from(movie)


def new_sound(scene: Any, name: str, path: Path, frame: int, channel: int) -> Any:
    """Adds a sound strip; None where the file has no sound, or this Blender no audio system."""
    try:
        made = compat.strips(scene).new_sound(name, str(path), channel, frame)
    except RuntimeError:
        return None
    if compat.strip_range(made)[1] - frame <= 1 and not has_sound(made):
        compat.strips(scene).remove(made)
        return None
    return made


def has_sound(strip: Any) -> bool:
    return bool(getattr(strip.sound, "samplerate", 1))


def free_channel(scene: Any, first: int, last: int, lowest: int, but: Any = None) -> int:
    """Gives the lowest channel from `lowest` on with nothing, or nothing `but` a strip, in the scene frames [first, last)."""
    taken = set()
    for strip in [strip for strip in compat.strips(scene) if strip != but]:
        begin, end = compat.strip_range(strip)
        if begin < last and first < end:
            taken.add(strip.channel)
    return next(channel for channel in range(lowest, 129) if channel not in taken)


def strips_name(scene: Any) -> str:
    """Gives the name of the property of a sequence editor that holds its strips; makes none, so that panels may ask."""
    return "strips" if "strips" in bpy.types.SequenceEditor.bl_rna.properties else "sequences"


def fps_of(scene: Any) -> float:
    return scene.render.fps / scene.render.fps_base


def fps_differs(scene: Any, plate: Plate) -> bool:
    """Says whether sound and picture of the plate run apart in this scene: over half a frame in the plate's length."""
    return plate.fps > 0 and abs(fps_of(scene) / plate.fps - 1) * max(plate.frames, 1) > 0.5


def match_fps(scene: Any, fps: float) -> None:
    """Sets the scene's frame rate: 23.976 as 24 / 1.001, and so on."""
    whole = round(fps)
    if abs(whole / 1.001 - fps) < abs(whole - fps):
        scene.render.fps, scene.render.fps_base = whole, 1.001
    else:
        scene.render.fps, scene.render.fps_base = whole, whole / fps
