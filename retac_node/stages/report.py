"""Report: one page about the job that opens from the disk, prints, and needs nothing but the video beside it.

It shows what was asked and measured; it never judges beyond its numbers, and never reads the clock or the network.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

import cv2
import numpy as np
from retac_shared import marks
from retac_shared.options import ReportOptions

from retac_node import media
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Motion, Report, Speech, Video
from retac_node.engine.stage import Context
from retac_node.models.head import load_head
from retac_node.models.landmarks3d import LIPS
from retac_node.models.manner import lip_gap
from retac_node.ops import chart, metrics
from retac_node.ops.markup import figure, noted, table
from retac_node.ops.packed import as_uri
from retac_node.stages import report_voice

PAIRS = 8  # before and after pictures
FACE_PIXELS = 200  # side of a face in the sheet
ZOOM, LARGEST_MOUTH = 3, 540  # how much a mouth is enlarged, and the most pixels it may take
UNITS = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthLowerDown")  # both sides' mean
ANGLES = ("pitch", "yaw", "roll")
PICTURE, PICTURE_WIDTH = "picture.jpg", 320  # the output in the middle of the line, pixels
SHUT = ("p", "b", "m")
SHUT_PERCENTILE, SHUT_SLACK = 3, 0.02  # of the person's own lip gaps; eye distances, twice the landmarks' jitter
SHUT_EARLY = 0.03  # seconds by which lips lead the sound


def run(
    ctx: Context,
    options: ReportOptions,
    clip: Clip,
    speech: Speech,
    track: FaceTrack,
    adapted: Adapted,
    motion: Motion,
    video: Video,
) -> Report:
    """Writes report.html into the task's folder; it expects the video beside it, by the name in the options."""
    before, after = metrics.pose_degrees(track.rotation), metrics.pose_degrees(motion.rotation)
    alike = metrics.pose_similarity(before, after)
    page = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8")).substitute(
        title=f"Re-voiced: {escape(options.video_name)}",
        facts=f"{clip.width} × {clip.height} at {float(clip.fps):g} frames a second, {count(video.count, 'frame')}",
        line=line(options, speech),
        synthetic=synthetic(options, motion, video),
        warnings=noted(oddities(clip, speech, track, motion)),
        tiles=tiles(clip, speech, track, motion, alike),
        video=escape(quote(options.video_name), quote=True),
        video_note=f"The player needs <code>{escape(options.video_name)}</code> in the same folder as this page.",
        pairs=pairs(ctx, clip, track, motion, video),
        sound=report_voice.section(reference(ctx, options, clip), speech),
        mouth=mouth(track, motion),
        head=head(before[motion.source_frame], after, motion.fps),
        poses_note=poses_note(alike),
        poses=poses(before, after),
        seen=seen(clip, track),
        learnt=table((name, f"{value:.4g}") for name, value in adapted.notes.items()),
        footer=f"Made with Re-TTAC from the clip with sha256 <code>{clip.sha256}</code>. {agreed(options)}",
    )
    aside = ctx.folder / "report.part"
    aside.write_text(page, encoding="utf-8")
    os.replace(aside, ctx.folder / "report.html")
    return Report(str(ctx.folder), "report.html", figures(speech, track, adapted, motion, alike), PICTURE)


def reference(ctx: Context, options: ReportOptions, clip: Clip) -> report_voice.Recording:
    """Gives the voice that was cloned."""
    if options.reference:
        return report_voice.Recording("The voice that was given", *media.read_audio(ctx.source(options.reference)))
    return report_voice.Recording("The clip’s own sound", clip.audio, clip.audio_rate)


# ---- words and numbers


def figures(speech: Speech, track: FaceTrack, adapted: Adapted, motion: Motion, alike: float) -> dict[str, float]:
    """Gives what can be compared between shots, by name; NaN where it could not be measured."""
    shown = track.confidence[motion.source_frame]
    return {
        **adapted.notes,  # its count of frames is another than the one below
        "seconds": len(motion.source_frame) / motion.fps,
        "frames": float(len(motion.source_frame)),
        "voice similarity": speech.similarity,
        "pose similarity": alike,
        "lips shut": lips_shut(speech, track, motion),
        "face confidence": float(shown.mean()),
        "bridged frames": float((shown <= 0).sum()),
    }


def lips_shut(speech: Speech, track: FaceTrack, motion: Motion) -> float:
    """Gives the share of p, b and m in which the asked lips come as close as they are when this person shuts them."""
    head = load_head()
    if motion.names != head.expression_names or not (track.confidence > 0).any():
        return float("nan")
    gap = lip_gap(head, motion.names)  # (E,)
    shut = np.percentile(track.expression[track.confidence > 0] @ gap, SHUT_PERCENTILE) + SHUT_SLACK
    asked, times = motion.expression @ gap, np.arange(len(motion.expression)) / motion.fps  # (U,)
    spoken = [(p.start - SHUT_EARLY, p.end - SHUT_EARLY) for p in speech.phonemes if p.label in SHUT]
    parts = [asked[(times >= start - 0.5 / motion.fps) & (times <= end + 0.5 / motion.fps)] for start, end in spoken]
    least = np.array([part.min() for part in parts if len(part)])
    return float(np.mean(least <= shut)) if len(least) else float("nan")


def line(options: ReportOptions, speech: Speech) -> str:
    said = " ".join(marks.plain(options.text).split() or (word.label for word in speech.words))
    return f'<p class="line">“{escape(said)}”</p>' if said else ""


def synthetic(options: ReportOptions, motion: Motion, video: Video) -> str:
    new = len(motion.source_frame)
    where = "every frame" if new == video.count else f"{new} of its {video.count} frames"
    return (
        f"In {where} the mouth and what moves with it were generated, and so was the line that is heard there unless a "
        f"recording was given. Outside the matte the picture is the plate’s own. {agreed(options)}"
    )


def agreed(options: ReportOptions) -> str:
    return f"Consent reference: {escape(options.consent)}." if options.consent else "No consent reference was given."


def oddities(clip: Clip, speech: Speech, track: FaceTrack, motion: Motion) -> list[str]:
    """Says in sentences what in the numbers deserves a look."""
    found = []
    bridged = int((track.confidence[motion.source_frame] <= 0).sum())
    if bridged:
        found.append(f"In {count(bridged, 'output frame')} no face was seen in the plate and its place was bridged.")
    steps = np.diff(motion.source_frame)
    if (steps < 0).any():
        turns = int((np.diff(np.sign(steps[steps != 0])) != 0).sum())
        found.append(f"The line is longer than the clip, whose frames run back and forth, with {count(turns, 'turn')}.")
    if len(clip.audio) == 0:
        found.append("The clip has no sound of its own, so the voice cannot be compared with it.")
    if float(track.crop_from_frame[0, 0, 0]) < 1:
        found.append(
            f"The face is larger than the working size and was remade at {track.crop_from_frame[0, 0, 0]:.0%} of it."
        )
    if not speech.phonemes:
        found.append("The phonemes of the line are not known, so the mouth follows the sound alone.")
    return found


def tiles(clip: Clip, speech: Speech, track: FaceTrack, motion: Motion, alike: float) -> str:
    bridged = int((track.confidence <= 0).sum())
    unsure = bool(np.isnan(speech.similarity))
    rows = (
        (f"{len(motion.source_frame) / motion.fps:.2f} s", f"new, {count(len(motion.source_frame), 'frame')}"),
        ("not measured" if unsure else f"{speech.similarity:.2f}", "voice similarity: cosine of speaker embeddings"),
        (f"{alike:.2f}", "head-pose similarity HS, output against clip"),
        (
            f"{len(track.confidence) - bridged} of {len(track.confidence)}",
            f"plate frames with a face; {bridged} bridged",
        ),
    )
    return "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in rows)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# ---- pictures


def pairs(ctx: Context, clip: Clip, track: FaceTrack, motion: Motion, video: Video) -> str:
    """Shows faces and enlarged mouths of evenly spaced new frames, the plate's over the output's."""
    chosen = np.unique(np.linspace(0, len(motion.source_frame) - 1, PAIRS + 2)[1:-1].round().astype(int))
    sources = motion.source_frame[chosen]
    first = 0 if video.count == len(motion.source_frame) else int(motion.source_frame[0])
    plates = media.frames_at(ctx.source(clip.sha256), clip, sources.tolist())
    outputs = frames_of_video(Path(video.folder) / video.mp4, [first + int(u) for u in chosen], video.count)
    faces, mouths = [], []
    for u, source, plate, output in ctx.track(
        list(zip(chosen, sources, plates, outputs, strict=True)), label="laying out the report"
    ):
        face, lips = squares(track, int(source))
        when = f"{(first + u) / float(clip.fps):.2f} s"
        if u == chosen[len(chosen) // 2]:
            write_picture(ctx.folder / PICTURE, output)
        zoom = min(float(ZOOM), LARGEST_MOUTH / lips.side)
        faces.append(pair(when, [scaled(face.cut(picture), FACE_PIXELS / face.side) for picture in (plate, output)]))
        mouths.append(pair(when, [scaled(lips.cut(picture), zoom) for picture in (plate, output)]))
    return figure(
        f'<div class="eight">{"".join(faces)}</div>', "The face in the plate, above, and in the output, below."
    ) + figure(
        f'<div class="four">{"".join(mouths)}</div>',
        f"The mouth, plate above output, {zoom:.2g}× its size in the plate. Other words, so other shapes.",
    )


def frames_of_video(path: Path, frames: Sequence[int], total: int) -> Iterable[U8]:
    """Yields frames of a finished constant-rate video, ascending, each (H, W, 3)."""
    times = [start for start, _ in media.picture_times(path)]
    assert len(times) == total, f"{path} has {len(times)} pictures, not {total}"
    with closing(media.Reader(path)) as reader:
        for frame in frames:
            yield reader.rgb(times[frame])


def squares(track: FaceTrack, frame: int) -> tuple[metrics.Square, metrics.Square]:
    """Gives the face's and the mouth's square; where no face was seen, those of the nearest frame with one."""
    known = np.flatnonzero(track.confidence > 0)
    points = track.landmarks[known[np.abs(known - frame).argmin()], :, :2]
    face = metrics.face_square(points)
    return face, metrics.mouth_square(face, points[LIPS])


def scaled(picture: U8, scale: float) -> U8:
    if picture.size == 0:
        return np.zeros((1, 1, 3), np.uint8)
    size = tuple(max(1, round(length * scale)) for length in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def write_picture(path: Path, rgb: U8) -> None:
    """Writes a plate (H, W, 3) as a small JPEG."""
    small = scaled(rgb, min(1.0, PICTURE_WIDTH / rgb.shape[1]))
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done, f"a picture of {small.shape} cannot be packed"
    path.write_bytes(data.tobytes())


def pair(when: str, pictures: Sequence[U8]) -> str:
    images = (
        f'<img src="{as_uri(p, ".jpg")}" alt="{name} at {when}">'
        for name, p in zip(("plate", "output"), pictures, strict=True)
    )
    return f'<div class="pair">{"".join(images)}<span>{when}</span></div>'


# ---- curves


def mouth(track: FaceTrack, motion: Motion) -> str:
    """Draws a few units of the source and of the output; a unit with two sides is their mean."""
    figures = []
    for unit in UNITS:
        columns = [n for n, name in enumerate(motion.names) if name in (unit, f"{unit}Left", f"{unit}Right")]
        if columns:
            source, output = (
                curve[:, columns].mean(1) for curve in (track.expression[motion.source_frame], motion.expression)
            )
            figures.append(curves(unit, source, output, motion.fps, 0.1, 510))
    return "".join(figures)


def head(source: F32, output: F32, fps: float) -> str:
    return "".join(
        curves(f"{name}, degrees", source[:, n], output[:, n], fps, 4.0, 340) for n, name in enumerate(ANGLES)
    )


def curves(title: str, source: F32, output: F32, fps: float, least: float, width: float) -> str:
    both = chart.Curve("src", source), chart.Curve("out", output)
    drawing = chart.lines(both, fps, f"{title}, source and output", least, width)
    return figure(drawing, "", title)


def poses(before: F32, after: F32) -> str:
    figures = []
    for name, source, output, edges in zip(ANGLES, *metrics.pose_histograms(before, after), strict=True):
        drawing = chart.histograms(source, output, edges, f"how often each {name} is held", 340, 150)
        overlap = np.minimum(source, output).sum()
        figures.append(figure(drawing, f"overlap {overlap:.2f}", name))
    return "".join(figures)


def poses_note(alike: float) -> str:
    return (
        "How often the head stood where: the whole clip against the new frames. HS is the mean overlap of the three "
        f"pairs of histograms, in bins of {metrics.POSE_BIN:g}°: <b>{alike:.3f}</b>; 1 means that the angles are "
        "spread alike, whatever their order."
    )


def seen(clip: Clip, track: FaceTrack) -> str:
    drawing = chart.confidence(track.confidence, float(clip.fps), "confidence of each frame of the clip")
    gaps = [
        f"{start}–{stop - 1}" if stop - start > 1 else f"{start}" for start, stop in chart.runs(track.confidence <= 0)
    ]
    said = f"Bridged frames, flagged in red: {', '.join(gaps)}." if gaps else "A face was seen in every frame."
    told = f"Confidence that the face is there, frame by frame of the clip. {said}"
    return figure(drawing, told)
