"""Video and audio in and out, through PyAV, which carries FFmpeg.  The only place that decodes and encodes.

Never knows faces, stages or the network, and opens nothing but the local file it is given.

Pictures leave as upright (H, W, 3) u8 RGB with square pixels.  The conversion is fixed, so the same file always gives
the same bytes: swscale with bicubic, fully interpolated chroma and accurate rounding; the matrix is the one the stream
states, and where it states none BT.709 from 720p upwards and BT.601 below.  Transfer curves are left as they are coded.
"""

import math
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from retac_node.data import F32, U8, Clip
from retac_node.errors import BadInput
from retac_node.media_out import AAC_RATE, FIXED, resampled, sound_rate, through_aac, write_png, write_video

__all__ = [
    "AAC_RATE",
    "Facts",
    "frames",
    "frames_at",
    "picture_times",
    "probe",
    "read_audio",
    "read_channels",
    "resampled",
    "sound_rate",
    "through_aac",
    "write_png",
    "write_video",
]

KEPT = 64  # decoded pictures a reader holds at most,
KEPT_BYTES = 256 << 20  # and the memory they may take
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,mxf,ogg,asf,h264,hevc,"
    "wav,w64,aiff,caf,flac,mp3,aac,ac3,eac3,amr,au"
)  # single files only: no playlists, image sequences or scripts that name other files
DECODERS = 1 if os.environ["OMP_NUM_THREADS"] == "1" else 0  # threads; 0: one for each processor of the machine
UNSTATED = 2  # AVCOL_SPC_UNSPECIFIED
HDR = (16, 18)  # transfer curves PQ and HLG
LONGEST_HOLE = 30_000_000  # samples; a longer one is a broken time stamp


@dataclass(frozen=True)
class Facts:
    """What a file says of itself before it is decoded."""

    width: int  # upright, square pixels
    height: int
    rotation: int  # 0, 90, 180 or 270 degrees clockwise that the stored picture is turned to stand upright
    rates: tuple[Fraction, ...]  # pictures a second as stated or guessed by the container
    seconds: float  # length the container promises; 0 where it does not say
    has_audio: bool
    hdr: bool


def probe(path: Path) -> Facts:
    """Reads the header and the first picture.  Raises BadInput: unreadable, no video track, no picture decodes."""
    with opened(path) as container:
        stream = video_stream(container, path)
        first = next(pictures(container, stream), None)
        if first is None:
            raise BadInput(f"{path.name} has a video track but no picture in it can be decoded; export it again")
        turns = display_matrix(first)
        height, width = turned(np.empty(square_size(stream)[::-1]), turns).shape
        rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
        return Facts(
            width=width,
            height=height,
            rotation=round(math.degrees(math.atan2(turns[1], turns[0]))) % 360,
            rates=tuple(dict.fromkeys(Fraction(rate) for rate in rates if rate)),
            seconds=promised_seconds(container, stream),
            has_audio=bool(container.streams.audio),
            hdr=first.color_trc in HDR,
        )


def picture_times(path: Path) -> Iterator[tuple[float, float]]:
    """Decodes the whole clip, unconverted, and yields from when to when each picture shows, seconds in the file."""
    with opened(path) as container:
        stream = video_stream(container, path)
        for picture in pictures(container, stream):
            length = float((picture.duration or 0) * (picture.time_base or 1))
            yield seconds_of(picture), seconds_of(picture) + length


def frames(path: Path, clip: Clip, start: int = 0, stop: int | None = None) -> Iterator[U8]:
    """Yields grid frames [start, stop) of the clip, each (H, W, 3) u8 RGB upright and the caller's own to change."""
    return frames_at(path, clip, range(start, len(clip.times) if stop is None else stop))


def frames_at(path: Path, clip: Clip, indices: Iterable[int]) -> Iterator[U8]:
    """Yields the grid frames asked for, in that order, each (H, W, 3) u8 RGB upright and the caller's own.

    Any order is exact.  Forward and backward runs are cheap: a backward run decodes each group of pictures once per
    64 pictures in it.  Raises BadInput when a picture that `clip` promises is no longer in the file.
    """
    with closing(Reader(path)) as reader:
        for index in indices:
            yield reader.rgb(float(clip.times[index]))


class Reader:
    """Decodes the pictures of one file by their time, and holds the last few so that a step back costs nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open()
        self.keys = key_times(self.container, self.stream)
        self.size = square_size(self.stream)
        area = self.stream.codec_context.width * self.stream.codec_context.height
        self.room = max(2, min(KEPT, KEPT_BYTES // max(1, 2 * area)))
        self.kept: OrderedDict[float, av.VideoFrame] = OrderedDict()
        self.coming: Iterator[av.VideoFrame] = iter(())
        self.position = math.inf  # time of the picture decoded last; infinite makes the first request seek
        self.reformatter = VideoReformatter()

    def open(self) -> None:
        self.container = opened(self.path)
        self.stream = video_stream(self.container, self.path)

    def close(self) -> None:
        self.kept.clear()
        self.coming = iter(())
        self.container.close()

    def rgb(self, time: float) -> U8:
        """Gives the picture of that exact time, (H, W, 3)."""
        if time not in self.kept:
            if self.position >= time or self.groups_between(time) > 1:
                self.seek(time)
            self.decode_to(time)
        if time not in self.kept:  # a damaged group may only decode from further back
            self.restart()
            self.decode_to(time)
        if time not in self.kept:
            raise BadInput(f"the picture at {time:.3f} s of {self.path.name} cannot be decoded; export the clip again")
        return self.upright(self.kept[time])

    def groups_between(self, time: float) -> int:
        return bisect_right(self.keys, time) - bisect_right(self.keys, self.position)

    def seek(self, time: float) -> None:
        """Stands on the last key picture at or before `time`; on an earlier one where the container lands too late."""
        tick = self.stream.time_base or Fraction(1)
        for key in reversed(self.keys[: bisect_right(self.keys, time)]):
            self.container.seek(round(Fraction(key) / tick), stream=self.stream)
            self.coming = dropwhile(refers_back, pictures(self.container, self.stream))
            first = next(self.coming, None)
            if first is not None and seconds_of(first) <= time:
                return self.keep(first)
        return self.restart()

    def restart(self) -> None:
        """Stands before the first picture: the one place that every container finds again."""
        self.container.close()
        self.open()
        self.coming, self.position = pictures(self.container, self.stream), -math.inf

    def decode_to(self, time: float) -> None:
        while self.position < time and (picture := next(self.coming, None)) is not None:
            self.keep(picture)

    def keep(self, picture: av.VideoFrame) -> None:
        self.position = seconds_of(picture)
        self.kept[self.position] = picture
        self.kept.move_to_end(self.position)
        while len(self.kept) > self.room:
            self.kept.popitem(last=False)

    def upright(self, picture: av.VideoFrame) -> U8:
        """Converts one decoded picture to (H, W, 3) RGB, square pixels, turned as the display matrix asks."""
        large = picture.height > 576 or picture.width >= 1280
        assumed = Colorspace.ITU709 if large else Colorspace.ITU601
        rgb = self.reformatter.reformat(
            picture,
            width=self.size[0],
            height=self.size[1],
            format="rgb24",
            src_colorspace=assumed if picture.colorspace == UNSTATED else None,
            interpolation=FIXED,
        ).to_ndarray()
        return np.ascontiguousarray(turned(rgb, display_matrix(picture)))


def opened(path: Path) -> InputContainer:
    """Opens a local media file.  Raises BadInput with one sentence when it is missing or is no media file."""
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"there is no file {path}; check the path of the clip")
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        return av.open(str(path), container_options=options, metadata_errors="replace")
    except PermissionError as error:
        raise BadInput(f"{path} may not be read by this user; change its permissions") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise BadInput(why_unreadable(path)) from error


def why_unreadable(path: Path) -> str:
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        return f"{path.name} is empty; copy or export the clip again"
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        return f"{path.name} is cut short: its index (moov) is missing or broken; copy or record the clip again"
    return f"{path.name} is not a video or audio file that can be read; export it as mp4, mov, mkv, webm or avi"


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Finds the first moving picture track; cover art does not count.  Raises BadInput when there is none."""
    tracks = list(container.streams.video)
    for stream in tracks:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.thread_type, stream.codec_context.thread_count = "AUTO", DECODERS
            return stream
    held = "only a cover picture" if tracks else "no video track"
    raise BadInput(f"{path.name} has {held}; give a clip with moving pictures of the speaker")


def pictures(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decodes from where the container stands, in order of time.

    A damaged packet is passed over: its picture is missing and the grid shows the one before.
    """
    last = -math.inf
    for packet in packets(container, stream):
        for picture in decoded(packet):
            if picture.pts is not None and seconds_of(picture) > last:
                last = seconds_of(picture)
                yield picture


def packets(container: InputContainer, stream: Any) -> Iterator[av.Packet]:
    """Demuxes to the end, or to where the file is cut."""
    try:
        yield from container.demux(stream)
    except (av.error.InvalidDataError, av.error.EOFError):
        return


def decoded(packet: av.Packet) -> list[Any]:
    """Decodes one packet; a damaged one gives nothing."""
    try:
        return packet.decode()
    except (av.error.InvalidDataError, av.error.EOFError):
        return []


def key_times(container: InputContainer, stream: VideoStream) -> list[float]:
    """Lists the times of all key pictures, (n,) ascending seconds, and leaves a full seek index in the container."""
    tick = stream.time_base or Fraction(1)
    found = []
    for packet in packets(container, stream):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if packet.is_keyframe and stamp is not None:
            found.append(float(stamp * tick))
    return sorted(found) or [0.0]


def refers_back(picture: av.VideoFrame) -> bool:
    """Says whether a picture may be built on ones before it, which after a seek were not decoded."""
    return not picture.key_frame


def seconds_of(picture: av.VideoFrame) -> float:
    return float((picture.pts or 0) * (picture.time_base or 1))


def promised_seconds(container: InputContainer, stream: VideoStream) -> float:
    """The least of the lengths the container states: each may count sound or parts that an edit list hides."""
    stated = []
    if container.duration:
        stated.append(container.duration / av.time_base)
    if stream.duration and stream.time_base:
        stated.append(float(stream.duration * stream.time_base))
    return min(stated, default=0.0)


def square_size(stream: VideoStream) -> tuple[int, int]:
    """Width and height as stored but with square pixels; the shorter of the two scales grows, so no detail is lost."""
    width, height = stream.codec_context.width, stream.codec_context.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def display_matrix(picture: av.VideoFrame) -> tuple[int, int, int, int]:
    """Signs of the 2x2 part of the display matrix: x' = a x + c y, y' = b x + d y, as (a, b, c, d)."""
    held: Iterable[Any] = picture.side_data
    for data in held:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(data, dtype=np.int32)[:5].tolist()
            return tuple(int(np.sign(v)) if abs(v) > 1 << 15 else 0 for v in (a, b, c, d))  # type: ignore[return-value]
    return 1, 0, 0, 1


def turned(rgb: NDArray[Any], matrix: tuple[int, int, int, int]) -> NDArray[Any]:
    """Turns and mirrors (h, w, ...) by quarter turns as the matrix says, to (H, W, ...)."""
    a, b, c, d = matrix
    if a == 0 and d == 0 and b and c:
        rgb, a, d = rgb.swapaxes(0, 1), c, b
    return rgb[:: d or 1, :: a or 1]


def read_audio(path: Path, rate: int | None = None) -> tuple[F32, int]:
    """Reads the sound as (N,) f32 mono [-1, 1] and its rate in Hz; sample 0 is at the first picture's time.

    Empty when the file has no sound.  A file of sound alone starts at its own first sample.  `rate` resamples.
    """
    samples, native = read_channels(path)
    if len(samples) == 0:
        return np.zeros(0, np.float32), rate or native
    mono = one_channel(samples)  # (N,)
    return (mono, native) if rate is None else (resampled(mono, native, rate), rate)


def one_channel(samples: F32) -> F32:
    """Gives (N,) of (N, C): the mean, less its constant; a channel 30 dB quieter than the other is dead and left out.

    Of two that are each other's negative, as of a cable soldered the wrong way round, one is given.
    """
    power = (samples**2).mean(axis=0)  # (C,)
    alive = samples[:, power >= 1e-3 * power.max()]
    mean = alive.mean(axis=1)
    signal = alive[:, 0] if (mean**2).mean() < 1e-2 * power.max() else mean
    return signal - signal.mean()


def read_channels(path: Path) -> tuple[F32, int]:
    """Reads the sound as (N, C) f32 [-1, 1], C 1 or 2, and its native rate in Hz; aligned as in `read_audio`.

    Of surround sound only the front centre is kept, which carries the dialogue.
    """
    with opened(path) as container:
        if not container.streams.audio:
            return np.zeros((0, 1), np.float32), AAC_RATE
        start = first_picture_time(path)
        stream = container.streams.audio[0]
        rate = int(stream.rate)
        blocks = [np.zeros((0, 1), np.float32)]
        head = 0  # samples placed so far
        for packet in packets(container, stream):
            for block in decoded(packet):
                samples = channels(block)  # (n, C)
                if block.pts is not None:
                    first = round((float(block.pts * block.time_base) - start) * rate)  # where it belongs
                    samples = placed(samples, first - head, rate // 50 if head else 0)
                blocks.append(samples)
                head += len(samples)
    width = max(block.shape[1] for block in blocks)
    whole = np.concatenate([np.broadcast_to(block, (len(block), width)) for block in blocks])
    return np.nan_to_num(whole, nan=0, posinf=1, neginf=-1), rate  # a file of floats may hold anything


def placed(samples: F32, gap: int, tolerance: int) -> F32:
    """Fills a hole of `gap` samples ahead of a block, or cuts an overlap off its front; small ones are rounding."""
    if tolerance < gap < LONGEST_HOLE:
        return np.concatenate([np.zeros((gap, samples.shape[1]), np.float32), samples])
    return samples[-gap:] if gap < -tolerance else samples


def first_picture_time(path: Path) -> float:
    """Gives the time in the file at which the picture starts, seconds; 0 for sound without a picture track."""
    with opened(path) as container:
        try:
            first = next(pictures(container, video_stream(container, path)), None)
        except BadInput:
            return 0.0
        return seconds_of(first) if first is not None else 0.0


def channels(block: av.AudioFrame) -> F32:
    """Turns a decoded block of any sample format into (n, C) f32, C 1 or 2."""
    names = [channel.name for channel in block.layout.channels]
    data: NDArray[Any] = block.to_ndarray()  # (C, n) planar or (1, n C) packed
    data = data.T if block.format.is_planar else data.reshape(-1, len(names))  # (n, C)
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128) / 128
    elif data.dtype.kind == "i":
        data = data / -float(np.iinfo(data.dtype).min)
    keep = [names.index("FC")] if "FC" in names else list(range(min(2, len(names))))
    return data[:, keep].astype(np.float32)
