"""The file of what a sound strip plays: its own where all of it is played, one with its part cut out where it is trimmed."""

from pathlib import Path
from typing import Any

import bpy

from . import compat

try:
    import aud
except ImportError:  # Blender as a Python module, 4.2: built without sound
    aud = None

RATE = 48000  # Hz, of what is cut out


class NoSound(Exception):
    """There is no such file; the message says what to do."""


def strips(scene: bpy.types.Scene) -> list[Any]:
    """Gives the sound strips of a scene."""
    return [strip for strip in compat.strips(scene) if strip.type == "SOUND"] if scene.sequence_editor else []


def file_of(scene: bpy.types.Scene, name: str, folder: Path) -> Path:
    """Gives a file with what the strip of that name plays; one that is cut out goes into the folder.  Raises NoSound."""
    strip = next((strip for strip in strips(scene) if strip.name == name), None)
    if strip is None:
        raise NoSound(f"there is no sound strip '{name}'; choose the strip with the recorded line")
    if strip.sound.packed_file is not None and not Path(bpy.path.abspath(strip.sound.filepath)).is_file():
        raise NoSound(f"the sound of '{name}' is packed into the .blend; unpack it (File > External Data)")
    path = Path(bpy.path.abspath(strip.sound.filepath))
    before, after = strip.frame_offset_start, strip.frame_offset_end
    return cut(path, strip, scene, folder) if before > 0 or after > 0 else path


def cut(path: Path, strip: Any, scene: bpy.types.Scene, folder: Path) -> Path:
    if aud is None:
        raise NoSound("this Blender cannot cut sounds; use the whole of the recording, or cut it before")
    fps = scene.render.fps / scene.render.fps_base
    first, stop = compat.strip_range(strip)
    begin = strip.frame_offset_start / fps
    end = begin + (stop - first) / fps
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{path.stem} {begin:.3f}-{end:.3f}.wav"
    piece = aud.Sound(str(path)).limit(begin, end)
    piece.write(str(target), RATE, 1, aud.FORMAT_S16, aud.CONTAINER_WAV, aud.CODEC_PCM)
    return target
