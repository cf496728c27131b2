"""Small clips for tests: each picture carries its own number, each second of sound a click."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from retac_node.data import Clip
from retac_node.engine.stage import Context

MATERIAL = Path(os.environ.get("RETAC_MATERIAL", Path(__file__).parents[2] / "shared" / "material"))
needs_material = pytest.mark.skipif(not (MATERIAL / "clips").is_dir(), reason="no real footage; set RETAC_MATERIAL")
CELLS = 10  # bits of the number


def numbered(number: int, width: int = 160, height: int = 96) -> np.ndarray:
    """(H, W, 3) u8: the number in binary as black and white bars above, a moving coloured slope below."""
    picture = np.zeros((height, width, 3), np.uint8)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    picture[..., 0] = (x + 3 * number) % 256
    picture[..., 1] = 128
    picture[..., 2] = (2 * y + number) % 256
    for bit in range(CELLS):
        bar = slice(bit * width // CELLS, (bit + 1) * width // CELLS)
        picture[: height // 2, bar] = 255 * (number >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    height, width = picture.shape[:2]
    centres = [(2 * bit + 1) * width // (2 * CELLS) for bit in range(CELLS)]
    return sum(int(picture[height // 4, x].mean() > 127) << bit for bit, x in enumerate(centres))


def make_clip(
    path: Path,
    pictures: Iterable[np.ndarray],
    codec: str = "libx264",
    fps: Fraction = Fraction(25),
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    ticks: list[int] | None = None,
    rotation: int = 0,
    aspect: Fraction | None = None,
    sound: np.ndarray | None = None,
    sound_start: float = 0.0,
    clock: Fraction | None = None,
) -> Path:
    """Writes a clip; `ticks` are times in units of `clock` (1 / fps), `sound` is (N,) f32 at 48 kHz."""
    pictures = list(pictures)
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=fps)
        track.height, track.width = pictures[0].shape[:2]
        track.pix_fmt, track.options = pixels, options or {}
        track.codec_context.time_base = clock or 1 / fps
        if aspect:
            track.codec_context.sample_aspect_ratio = aspect
        if rotation:
            track.set_display_rotation(rotation)
        if sound is not None:
            name = "aac" if path.suffix != ".webm" else "libopus"
            voice = container.add_stream(name, rate=48000, layout="mono")
        for index, rgb in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels, interpolation="BICUBIC")
            picture.pts, picture.time_base = (ticks or range(len(pictures)))[index], clock or 1 / fps
            container.mux(track.encode(picture))
        container.mux(track.encode(None))
        if sound is not None:
            for head in range(0, len(sound), 960):
                block = sound[None, head : head + 960].astype(np.float32)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
                frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
                frame.pts = head + round(sound_start * 48000)
                container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
    return path


def clicks(seconds: float, at: Iterable[float], rate: int = 48000) -> np.ndarray:
    """(N,) f32 silence with a 3 ms burst of noise at each of the times."""
    sound = np.zeros(round(seconds * rate), np.float32)
    burst = np.random.default_rng(0).uniform(-0.9, 0.9, round(0.003 * rate)).astype(np.float32)
    for time in at:
        first = round(time * rate)
        sound[first : first + len(burst)] += burst[: len(sound) - first]
    return sound


def lag(heard: np.ndarray, meant: np.ndarray, rate: int = 48000) -> float:
    """Seconds by which `heard` comes after `meant`, by cross-correlation of one second and more."""
    length = min(len(heard), len(meant))
    spectrum = np.fft.rfft(heard[:length], 2 * length) * np.conj(np.fft.rfft(meant[:length], 2 * length))
    best = int(np.argmax(np.fft.irfft(spectrum)))
    return (best - 2 * length if best > length else best) / rate


def bare_clip(path: Path, times: Iterable[float], width: int = 160, height: int = 96, fps: int = 25) -> Clip:
    return Clip(
        "c" * 64, path.name, Fraction(fps), np.array(list(times)), width, height, np.zeros(0, np.float32), 48000
    )


def context(folder: Path, path: Path) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(folder, "cpu", {"c" * 64: path})
