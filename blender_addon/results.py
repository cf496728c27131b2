"""Finished and half-finished shots as strips above the plate, frame for frame.  Never changes the plate's strips, but mutes
them where that is asked for.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import compat
from .plates import MOVIES, Plate, free_channel, new_sound, plate_named
from .shots import Shot
from .steps import Steps, at_once, finish, part

RESULT, PREVIEW = "retac_result", "retac_preview"  # of strips: key of the line they show
NUMBERED = re.compile(r"(\d+)\.(png|jpg|jpeg|exr)", re.IGNORECASE)
CLEAR = "clear.png"  # stands for frames of a preview that are still to come
APPENDED = 50  # pictures that are added to a strip in one step
RAW = "RAW"  # cache of the pictures as they were read


@dataclass(frozen=True)
class Placed:
    """Names of strips; "" where there is none."""

    picture: str
    sound: str
    matte: str


def placing_result(
    scene: Any,
    shot: Shot,
    key: str,
    movie_or_frames: Path,
    wav: Path | None,
    first_frame: int,
    matte: Path | None = None,
    mute_original: bool = False,
    replaced: tuple[int, int] | None = None,
) -> Steps[Placed]:
    """Puts a finished shot above the plate; what the same key had placed goes.  Opening a file is one step.

    Frame 0 of the movie, or of the folder of numbered pictures, is shown at `first_frame`.  With `replaced`, scene frames
    [first, last), the file is the whole clip: those frames of it are shown, or, where the original is muted, all that the
    plate shows.  The sound is the wav's, or the movie's.  Raises ValueError, OSError.
    """
    title = next((line.label for line in shot.lines if line.key == key), shot.name)
    plate = plate_named(scene, shot.plate_strip)
    shown = span(plate, replaced, mute_original)
    remove_result(scene, key)
    yield 0.0
    lowest = channel_of(scene, plate) + 1
    picture = yield from part(
        adding_picture(scene, f"{title} shot", movie_or_frames, first_frame, shown, lowest), 0.0, 0.4
    )
    wear_look(scene, picture, plate)
    first, last = compat.strip_range(picture)
    mask = None
    if matte:
        mask = yield from part(adding_matte(scene, picture, title, matte, first_frame, (first, last)), 0.4, 0.7)
    yield 0.7
    sound = new_sound(
        scene, f"{title} shot sound", wav or movie_or_frames, first_frame, free_channel(scene, first, last, 1)
    )
    yield 0.9
    if sound is not None:
        compat.trim(sound, max(first, first_frame), min(last, compat.strip_range(sound)[1]))
    for strip in (picture, mask, sound):
        if strip is not None:
            strip[RESULT] = key
    hush(scene, [line.sound for line in shot.lines if line.key == key] if sound else [])
    if mute_original and isinstance(plate, Plate):
        mute_plate(scene, plate, picture=mask is None, sound=sound is not None)
    return Placed(*(strip.name if strip is not None else "" for strip in (picture, sound, mask)))


place_result = at_once(placing_result)


def span(plate: Plate | str, replaced: tuple[int, int] | None, mute_original: bool) -> tuple[int, int] | None:
    """Gives the scene frames [first, last) to show of the file; None for all of it."""
    if replaced is not None and mute_original and isinstance(plate, Plate):
        return plate.first, plate.last
    return replaced


def channel_of(scene: Any, plate: Plate | str) -> int:
    if isinstance(plate, str):
        return 1
    return next((strip.channel for strip in compat.all_strips(scene) if strip.name == plate.strip), 1)


def adding_picture(
    scene: Any, title: str, source: Path, first_frame: int, shown: tuple[int, int] | None, lowest: int
) -> Steps[Any]:
    if source.is_dir():
        return (yield from adding_frames(scene, title, source, first_frame, shown, lowest))
    strips = compat.strips(scene)
    try:
        strip = strips.new_movie(title, str(source), 128, first_frame, fit_method="ORIGINAL")
    except RuntimeError as error:
        raise ValueError(f"{source.name} cannot be read as a movie: {error}") from error
    yield 0.9
    first, last = shown or compat.strip_range(strip)
    held = first_frame + compat.clip_span(strip)[1]
    if first < first_frame or last > held:
        strips.remove(strip)
        raise ValueError(f"{source.name} shows the frames {first_frame} to {held - 1}, not {first} to {last - 1}")
    compat.trim(strip, first, last)
    strip.channel = free_channel(scene, first, last, lowest, strip)
    return strip


def adding_frames(
    scene: Any, title: str, folder: Path, first_frame: int, shown: tuple[int, int] | None, lowest: int
) -> Steps[Any]:
    """Adds an image strip of the folder's numbered pictures that are shown."""
    names = numbered(folder)
    yield 0.1
    first, last = shown or (first_frame, first_frame + len(names))
    wanted = names[first - first_frame : last - first_frame] if first >= first_frame else []
    if not wanted or len(wanted) != last - first:
        raise ValueError(f"{folder} holds {len(names)} pictures from frame {first_frame} on, not {first} to {last - 1}")
    channel = free_channel(scene, first, last, lowest)
    return (yield from part(adding_images(scene, title, folder, wanted, first, channel), 0.1, 1.0))


def numbered(folder: Path) -> list[str]:
    """Gives the names of the numbered pictures in order."""
    return sorted(path.name for path in folder.iterdir() if NUMBERED.fullmatch(path.name))


def adding_images(scene: Any, title: str, folder: Path, names: list[str], first: int, channel: int) -> Steps[Any]:
    strip = compat.strips(scene).new_image(title, str(folder / names[0]), channel, first, fit_method="ORIGINAL")
    for number, name in enumerate(names[1:]):
        strip.elements.append(name)
        if number % APPENDED == 0:
            yield number / len(names)
    compat.trim(strip, first, first + len(names))
    return strip


def wear_look(scene: Any, strip: Any, plate: Plate | str) -> None:
    """Lays the strip exactly over the plate: its place, size, crop and colour space."""
    if isinstance(plate, str):
        return
    model = next(other for other in compat.all_strips(scene) if other.name == plate.strip)
    for name in ("offset_x", "offset_y", "scale_x", "scale_y", "rotation", "origin"):
        setattr(strip.transform, name, getattr(model.transform, name))
    for name in ("min_x", "max_x", "min_y", "max_y"):
        setattr(strip.crop, name, getattr(model.crop, name))
    for name in ("use_flip_x", "use_flip_y", "blend_alpha"):
        setattr(strip, name, getattr(model, name))
    strip.colorspace_settings.name = model.colorspace_settings.name


def adding_matte(
    scene: Any, picture: Any, title: str, matte: Path, first_frame: int, shown: tuple[int, int]
) -> Steps[Any]:
    """Adds the matte as a muted strip and has it mask the picture, so that elsewhere the plate itself is seen."""
    strip = yield from adding_picture(scene, f"{title} matte", matte, first_frame, shown, picture.channel + 1)
    for name in ("offset_x", "offset_y", "scale_x", "scale_y", "rotation", "origin"):
        setattr(strip.transform, name, getattr(picture.transform, name))
    strip.mute = True
    compat.add_mask(scene, picture, strip)
    picture.blend_type = "ALPHA_OVER"
    return strip


def hush(scene: Any, names: list[str]) -> None:
    for strip in compat.all_strips(scene):
        if strip.name in names and strip.type == "SOUND":
            strip.mute = True


def mute_plate(scene: Any, plate: Plate, picture: bool, sound: bool) -> None:
    """Mutes the plate's strip and the sound strips of the same file over it."""
    for strip in compat.all_strips(scene):
        if strip.name == plate.strip and strip.type in MOVIES:
            strip.mute = strip.mute or picture
        elif strip.type == "SOUND" and sound and RESULT not in strip and sounds_like(strip, plate):
            strip.mute = True


def sounds_like(strip: Any, plate: Plate) -> bool:
    first, last = compat.strip_range(strip)
    same = strip.sound is not None and Path(bpy.path.abspath(strip.sound.filepath)) == plate.path
    return same and first < plate.last and plate.first < last


def tagged(scene: Any, tag: str, key: str) -> list[Any]:
    return [strip for strip in compat.all_strips(scene) if strip.get(tag) == key]


def remove_result(scene: Any, key: str) -> None:
    """Takes away the strips of a line's finished shot and of its preview; what was muted stays muted."""
    for strip in [*tagged(scene, RESULT, key), *tagged(scene, PREVIEW, key)]:
        compat.strips(scene).remove(strip)


def show_preview_frame(scene: Any, shot: Shot, key: str, frame: int, jpg: Path) -> None:
    """Shows a finished frame of a line, numbered from the line's first, above the plate at once.

    One strip stands for all of the line's frames; those that are not there yet let the plate through.
    """
    line = shot.line(key)
    if line is None or not 0 <= frame < line.last - line.first:
        return
    found = tagged(scene, PREVIEW, key)
    if not found:
        found = [add_preview(scene, shot, key, jpg.parent)]
    element = found[0].elements[frame]
    element.filename = jpg.name
    if hasattr(found[0], "invalidate_cache"):
        found[0].invalidate_cache(RAW)


def add_preview(scene: Any, shot: Shot, key: str, folder: Path) -> Any:
    line, plate = shot.line(key), plate_named(scene, shot.plate_strip)
    clear = folder / CLEAR
    clear.write_bytes(clear_png(*shot.size))
    channel = free_channel(scene, line.first, line.last, channel_of(scene, plate) + 1)
    names = [clear.name] * (line.last - line.first)  # never a file that is not there: Blender 4.5 crashes on many
    strip = finish(adding_images(scene, f"{line.label} preview", folder, names, line.first, channel))
    strip[PREVIEW] = key
    strip.blend_type = "ALPHA_OVER"
    wear_look(scene, strip, plate)
    return strip


def clear_png(width: int, height: int) -> bytes:
    """Gives a picture that is wholly transparent: one bit a pixel, of a palette whose only colour is clear."""
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height))
    head = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", bytes(3)), (b"tRNS", bytes(1)), (b"IDAT", rows), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held)) for kind, held in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
