"""Puts finished patches into the plate and writes the mp4, and a PNG sequence where asked.

Holds one frame at a time, and never alters a pixel outside the mattes or a sample outside the slot.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
from retac_shared.options import EncodeOptions

from retac_node import media
from retac_node.data import U8, Clip, Motion, Patches, Speech, Video
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.stages import mix

PNG_THREADS = 2


def run(
    ctx: Context, options: EncodeOptions, clip: Clip, speech: Speech, motion: Motion, patches: tuple[Patches, ...]
) -> Video:
    """Writes video.mp4, and where asked frames/000000.png and mattes/000000.png onwards, into the task's folder.

    Without a slot the video is the U output frames with the speech.  With slot (a, b) it is the whole clip with frames
    a..b-1 and their sound replaced.  Raises BadInput for a slot outside the clip, OutOfSpace for a full disk.
    """
    path = ctx.source(clip.sha256)
    first, shown = written_frames(options, clip, motion)
    sound = mix.alone(path, clip, speech) if options.slot is None else mix.in_place(path, clip, speech, options.slot)
    finished = pasted(media.frames_at(path, clip, shown), patches, first)
    if options.frames:
        finished = also_as_png(finished, mattes(patches, first, clip.height, clip.width), ctx.folder)
    aside = ctx.folder / "video.part.mp4"
    written = media.write_video(
        aside,
        ctx.track(finished, len(shown), "writing the video"),
        clip.fps,
        clip.width,
        clip.height,
        sound.samples,
        sound.rate,
        options.crf,
        credits(options.consent, speech, sound),
    )
    mix.check(aside, sound, speech, clip)
    os.replace(aside, ctx.folder / "video.mp4")
    return Video(str(ctx.folder), "video.mp4", *(("frames", "mattes") if options.frames else ("", "")), written)


def written_frames(options: EncodeOptions, clip: Clip, motion: Motion) -> tuple[int, list[int]]:
    """Gives which written frame output frame 0 is, and the source frame behind each written frame."""
    behind = [int(frame) for frame in motion.source_frame]
    if options.slot is None:
        return 0, behind
    start, stop = options.slot
    if not 0 <= start < stop <= len(clip.times):
        raise BadInput(f"frames {start} to {stop} are not in {clip.name}, which has {len(clip.times)}; move the range")
    assert len(behind) == stop - start, f"{len(behind)} output frames for a slot of {stop - start}"
    return start, [*range(start), *behind, *range(stop, len(clip.times))]


def pasted(plates: Iterable[U8], patches: tuple[Patches, ...], first: int) -> Iterator[U8]:
    """Yields each plate, (H, W, 3), with the patch of its output frame in it where there is one."""
    place = places(patches, first)
    for written, plate in enumerate(plates):
        if written in place:
            chunk, n = place[written]
            paste(plate, chunk.corner[n], chunk.rgb[n], chunk.matte[n, 0])
        yield plate


def places(patches: tuple[Patches, ...], first: int) -> dict[int, tuple[Patches, int]]:
    """Finds for each written frame that has a patch the chunk that holds it, and its place there."""
    return {chunk.start + n + first: (chunk, n) for chunk in patches for n in range(len(chunk.rgb))}


def mattes(patches: tuple[Patches, ...], first: int, height: int, width: int) -> Iterator[U8]:
    """Yields, without end, each written frame's matte (height, width): 255 where the plate was replaced."""
    place = places(patches, first)
    for written in count():
        matte = np.zeros((height, width, 1), np.uint8)
        if written in place:
            chunk, n = place[written]
            paste(matte, chunk.corner[n], chunk.matte[n], chunk.matte[n, 0])
        yield matte[..., 0]


def paste(plate: U8, corner: np.ndarray, rgb: U8, matte: U8) -> None:
    """Overwrites the plate (H, W, C) with rgb (C, h, w) where matte (h, w) > 0; what hangs over the edge is cut."""
    height, width = matte.shape
    left, top = int(corner[0]), int(corner[1])
    x, y = max(0, -left), max(0, -top)  # patch pixels beyond the plate's left and upper edge
    seen = plate[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]  # (h', w', 3), a view
    window = slice(y, y + seen.shape[0]), slice(x, x + seen.shape[1])
    inside = matte[window] > 0  # (h', w')
    seen[inside] = rgb.transpose(1, 2, 0)[window][inside]


def also_as_png(frames: Iterable[U8], mattes: Iterator[U8], folder: Path) -> Iterator[U8]:
    """Passes the frames on and writes each, and its matte, as PNG meanwhile; at most eight wait."""
    for name in ("frames", "mattes"):
        (folder / name).mkdir(exist_ok=True)
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(PNG_THREADS) as pool:
        for index, (rgb, matte) in enumerate(zip(frames, mattes, strict=False)):
            waiting.append(pool.submit(media.write_png, folder / "frames" / f"{index:06d}.png", rgb))
            waiting.append(pool.submit(media.write_png, folder / "mattes" / f"{index:06d}.png", matte))
            while len(waiting) > 4 * PNG_THREADS:
                waiting.popleft().result()
            yield rgb
        for future in waiting:
            future.result()


def credits(consent: str, speech: Speech, sound: mix.Mix) -> dict[str, str]:
    """Gives the metadata that every written video carries."""
    made = "the speech and the mouth" if speech.synthetic else "the mouth"
    start, stop = sound.start / sound.rate, sound.stop / sound.rate
    comment = f"Synthetic: {made} in this video from {start:.3f} s to {stop:.3f} s were generated with Re-TTAC."
    if consent:
        comment += f" Consent: {consent}"
    return {"title": "Re-voiced with Re-TTAC", "comment": comment}
