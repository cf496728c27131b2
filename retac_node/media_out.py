"""Writes mp4 and PNG files through PyAV and OpenCV; `retac_node.media` hands these functions on.

Never reads a file, and never renames one: callers write aside and rename.
"""

import errno
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from scipy.signal import resample_poly

from retac_node.data import F32, U8
from retac_node.errors import OutOfSpace

FIXED = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)  # swscale's exact paths, with full chroma
AAC_RATE = 48000  # Hz, of sound whose own rate AAC does not have
AAC_RATES = (32000, 44100, 48000)
AAC_BITS = 192_000  # a second
AAC_BLOCK = 1024  # samples
REPEATABLE = {"x264-params": "mbtree=0"}  # its macroblock tree reads memory it has not written: other bytes each time
ENCODER_THREADS = 4  # fixed, because x264's bytes depend on it


def write_video(
    path: Path,
    frames: Iterable[U8],
    fps: Fraction,
    width: int,
    height: int,
    audio: F32 | None = None,
    rate: int = AAC_RATE,
    crf: int = 14,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Writes an mp4 of (height, width, 3) u8 RGB frames at a constant rate, and returns how many there were.

    H.264 tagged BT.709; 4:2:0, or 4:4:4 where a side is odd, which 4:2:0 cannot hold.  `audio` is (N,) or (N, 2)
    [-1, 1] at `rate` Hz, written at `sound_rate` of it and cut or padded with silence to the length of the picture;
    None writes no sound track.
    The same input gives the same bytes.  Raises OutOfSpace when the disk is full.
    """
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    try:
        with av.open(str(path), "w", format="mp4", container_options=options) as container:
            container.metadata.update(metadata or {})
            picture_track = add_picture_track(container, fps, width, height, crf)
            sound_track = None if audio is None else SoundTrack(container, audio, rate)
            return encode(container, frames, picture_track, sound_track, fps)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(f"the disk of {path.parent} is full; free some space and run the job again") from error
        raise


def encode(
    container: OutputContainer, frames: Iterable[U8], track: VideoStream, sound: "SoundTrack | None", fps: Fraction
) -> int:
    """Feeds both tracks side by side, so that the muxer holds little back."""
    reformatter = VideoReformatter()
    count = 0
    for rgb in frames:
        assert rgb.shape == (track.height, track.width, 3), f"frame {count} is {rgb.shape}"
        picture = reformatter.reformat(
            av.VideoFrame.from_ndarray(rgb, format="rgb24"),
            format=track.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=FIXED,
        )
        picture.pts, picture.time_base = count, 1 / fps
        container.mux(track.encode(picture))
        count += 1
        if sound:
            sound.encode_to(round(count / fps * sound.rate))
    container.mux(track.encode(None))
    if sound:
        sound.finish(round(count / fps * sound.rate))
    return count


def add_picture_track(container: OutputContainer, fps: Fraction, width: int, height: int, crf: int) -> VideoStream:
    whole = width % 2 == 0 and height % 2 == 0
    track = container.add_stream("libx264", rate=fps)
    track.width, track.height = width, height
    track.pix_fmt = "yuv420p" if whole else "yuv444p"
    track.options = {"crf": str(crf), "preset": "veryfast", "profile": "high" if whole else "high444", **REPEATABLE}
    context = track.codec_context
    context.time_base = 1 / fps
    context.thread_count = ENCODER_THREADS
    context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
    context.color_range = ColorRange.MPEG
    return track


class SoundTrack:
    """An AAC track that is fed block by block as the picture goes on, with silence once it runs out."""

    def __init__(self, container: OutputContainer, audio: F32, rate: int, bits: int = AAC_BITS) -> None:
        self.rate = sound_rate(rate)
        audio = resampled(audio, rate, self.rate)
        self.samples = np.clip(audio if audio.ndim == 2 else audio[:, None], -1, 1)  # (N, C)
        self.layout = "mono" if self.samples.shape[1] == 1 else "stereo"
        self.container = container
        self.track = container.add_stream("aac", rate=self.rate, layout=self.layout, bit_rate=bits)
        self.track.codec_context.format = "fltp"
        self.head = 0  # samples encoded

    def encode_to(self, stop: int) -> None:
        """Encodes the whole blocks that end at or before sample `stop`."""
        while self.head + AAC_BLOCK <= stop:
            self.encode_block(AAC_BLOCK)

    def finish(self, stop: int) -> None:
        self.encode_to(stop)
        if stop > self.head:
            self.encode_block(stop - self.head)
        self.container.mux(self.track.encode(None))

    def encode_block(self, length: int) -> None:
        block = np.zeros((self.samples.shape[1], length), np.float32)  # (C, n)
        held = self.samples[self.head : self.head + length].T
        block[:, : held.shape[1]] = held
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self.head, Fraction(1, self.rate)
        self.container.mux(self.track.encode(frame))
        self.head += length


def write_png(path: Path, rgb: U8) -> None:
    """Writes one u8 picture, (H, W, 3) RGB or (H, W) grey, without loss.  Raises OutOfSpace when the disk is full."""
    done, data = cv2.imencode(".png", rgb if rgb.ndim == 2 else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done, f"a picture of {rgb.shape} {rgb.dtype} cannot be written as PNG"
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(f"the disk of {path.parent} is full; free some space and run the job again") from error
        raise


def sound_rate(native: int) -> int:
    """Gives the rate at which sound of that rate is written: its own where AAC has it, a multiple where that can be."""
    if native in AAC_RATES:
        return native
    return 44_100 if 44_100 % native == 0 or native % 44_100 == 0 else AAC_RATE


def through_aac(samples: F32, rate: int, bits: int) -> F32:
    """Encodes (N, C) sound at so many bits a second, in memory, and decodes it again, (N, C)."""
    held = BytesIO()
    with av.open(held, "w", format="mp4") as container:
        SoundTrack(container, samples, rate, bits).finish(len(samples))
    held.seek(0)
    with av.open(held, "r") as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]  # (C, n) each
    return np.concatenate(blocks, axis=1).T[: len(samples)]


def resampled(samples: F32, rate: int, wanted: int) -> F32:
    """Resamples along axis 0 with a zero-phase polyphase filter."""
    if rate == wanted or len(samples) == 0:
        return samples
    common = math.gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common, axis=0).astype(np.float32)
