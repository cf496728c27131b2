"""Small heads, lines and clips for tests of the scene, made with numpy and with Blender itself: no node, no footage."""

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
from retac_shared.motion import Motion, save_motion

UNITS = ("eyeBlinkLeft", "browInnerUp", "jawOpen", "mouthClose", "mouthPucker", "cheekPuff", "tongueOut", "extra01")
SIZE = 64, 48  # of a clip
BITS, BLOCK = 8, 8  # a frame's number in black and white columns, the lowest bit at the left
FRAMES = 30
KEY = "ab" * 16


def head_files(
    folder: Path, frames: int = FRAMES, fps: float = 25.0, size: tuple[int, int] = SIZE, seed: int = 0
) -> tuple[Path, ...]:
    """Writes track.npz, mesh.npz and texture.png of a made head that moves."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    points = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32) / 10  # (6, 3)
    triangles = np.array([(a, b, c) for a in (0, 3) for b in (1, 4) for c in (2, 5)], np.int32)
    track, mesh, texture = folder / "track.npz", folder / "mesh.npz", folder / "texture.png"
    confidence = np.ones(frames, np.float32)
    confidence[4:7] = 0
    np.savez(
        track, focal=2.0 * size[0], width=size[0], height=size[1], fps=fps, names=np.array(UNITS), confidence=confidence,
        **moves(rng, frames),
    )  # fmt: skip
    np.savez(
        mesh, vertices=points, triangles=triangles, uv=np.abs(points[:, :2]) * 5, colour=np.full((6, 3), 99, np.uint8),
        expression_basis=rng.normal(0, 0.01, (len(UNITS), 6, 3)).astype(np.float32), names=np.array(UNITS),
    )  # fmt: skip
    write_picture(texture, np.full((16, 16, 3), 0.5))
    return track, mesh, texture


def moves(rng: Any, frames: int) -> dict[str, Any]:
    """Gives expression, rotation and translation as smooth as a head's."""
    steps = np.cumsum(rng.normal(0, 0.02, (frames, len(UNITS) + 6)), 0).astype(np.float32)
    return {
        "expression": np.abs(steps[:, 6:]),
        "rotation": steps[:, :3],
        "translation": steps[:, 3:6] * 0.1 + np.array([0.01, 0.02, 0.9], np.float32),
    }


def line_files(
    folder: Path, frames: int = 12, first: int = 5, fps: float = 25.0, seed: int = 1
) -> tuple[Path, Path, Path, Motion]:
    """Writes motion.npz, timing.json and speech.wav of a made line."""
    folder.mkdir(parents=True, exist_ok=True)
    source, held = np.arange(first, first + frames, dtype=np.int32), moves(np.random.default_rng(seed), frames)
    motion = Motion(fps, source_frame=source, names=UNITS, **held)
    save_motion(folder / "motion.npz", motion)
    words = [{"label": "open", "start": 0.0, "end": 0.2}, {"label": "now", "start": 0.2, "end": 0.4}]
    timing = {"seconds": frames / fps, "words": words, "phonemes": [{"label": "n", "start": 0.2, "end": 0.25}]}
    (folder / "timing.json").write_text(json.dumps(timing))
    write_sound(folder / "speech.wav", np.zeros(round(24000 * frames / fps)), 24000)
    return folder / "motion.npz", folder / "timing.json", folder / "speech.wav", motion


def write_sound(path: Path, samples: Any, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def read_sound(path: Path) -> tuple[Any, int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return samples.mean(1), file.getframerate()


def write_picture(path: Path, rgb: Any) -> None:
    """Writes (h, w, 3), [0, 1], as PNG."""
    import bpy

    image = bpy.data.images.new(path.stem, rgb.shape[1], rgb.shape[0])
    rgba = np.concatenate([rgb, np.ones_like(rgb[..., :1])], -1)
    image.pixels.foreach_set(rgba[::-1].astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"  # whatever the name says: Blender reads what is in it
    image.save()
    bpy.data.images.remove(image)


def read_picture(path: Path) -> Any:
    """Reads (h, w, 4), [0, 1]."""
    import bpy

    image = bpy.data.images.load(str(path), check_existing=False)
    held = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(held)
    shape = image.size[1], image.size[0], 4
    bpy.data.images.remove(image)
    return held.reshape(shape)[::-1]


def bars(number: int) -> Any:
    """Draws a number as columns, (h, w, 3)."""
    bit = (number >> (np.arange(SIZE[0]) // BLOCK)) & 1
    return np.broadcast_to(bit[None, :, None], (SIZE[1], SIZE[0], 3)).astype(np.float32)


def number_in(picture: Any) -> int:
    middle = picture[SIZE[1] // 2, BLOCK // 2 :: BLOCK, 0][:BITS]
    return int(((middle > 0.5) * 2 ** np.arange(BITS)).sum())


def numbered_frames(folder: Path, plus: int = 0, frames: int = FRAMES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(frames):
        write_picture(folder / f"{n:06d}.png", bars(n + plus))
    return folder


def numbered_movie(compat: Any, path: Path, fps: float, plus: int = 0, frames: int = FRAMES) -> Path:
    """Writes an mp4 whose frame n shows n + plus, with silence, by a scene of its own."""
    import bpy

    folder = numbered_frames(path.parent / f"{path.stem}_frames", plus, frames)
    scene = bpy.data.scenes.new("making")
    strips = compat.strips(scene)
    strip = strips.new_image("numbers", str(folder / "000000.png"), 1, 1)
    for n in range(1, frames):
        strip.elements.append(f"{n:06d}.png")
    compat.trim(strip, 1, 1 + frames)
    set_fps(scene, fps)
    scene.frame_start, scene.frame_end = 1, frames
    as_video(scene)
    render_strips(scene, path, animation=True)
    bpy.data.scenes.remove(scene)
    return path


def as_video(scene: Any) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format, scene.render.ffmpeg.codec = "MPEG4", "H264"
    scene.render.ffmpeg.constant_rate_factor, scene.render.ffmpeg.audio_codec = "HIGH", "NONE"


def set_fps(scene: Any, fps: float) -> None:
    whole = round(fps)
    scene.render.fps, scene.render.fps_base = whole, 1.0 if abs(whole - fps) < 1e-3 else 1.001


def render_strips(scene: Any, path: Path, animation: bool = False, size: tuple[int, int] = SIZE) -> None:
    """Renders what the sequencer shows, with the scene's colours as they are."""
    import bpy

    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = *size, 100
    render.use_sequencer, render.use_file_extension, render.engine = True, False, "BLENDER_WORKBENCH"
    scene.view_settings.view_transform = "Standard"
    render.filepath = str(path)
    with bpy.context.temp_override(scene=scene):
        bpy.ops.render.render(animation=animation, write_still=not animation, scene=scene.name)


def shown(scene: Any, frame: int, folder: Path) -> int:
    """Gives the number that the sequencer shows at a scene frame."""
    scene.frame_set(frame)
    scene.render.image_settings.file_format = "PNG"
    render_strips(scene, folder / "shown.png")
    return number_in(read_picture(folder / "shown.png"))
