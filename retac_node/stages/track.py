"""Track: whose face it is, where its head is, what it does, in each frame.  Never changes a pixel.

Landmarks are read frame by frame, and a small picture of the face; then one fit over the whole clip gives identity,
lens, expression and pose, and another the light.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from retac_shared.options import TrackOptions

from retac_node import media
from retac_node.data import F32, U8, Clip, FaceTrack
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models.head import SKIN, Head, load_head, posed, vertices
from retac_node.models.landmarker import Landmarker
from retac_node.models.landmarks3d import bare_skin, landmark_basis, suggested
from retac_node.ops.appearance import explain
from retac_node.ops.geometry import project
from retac_node.ops.photometric import SIZE, Glimpses, watched
from retac_node.ops.raster import vertex_normals
from retac_node.ops.solve import Observed, Solved, solve
from retac_node.ops.subjects import Subject, link, track_faces
from retac_node.ops.window import cut, windows

SMALLEST_FACE = 40  # pixels across
SHORTEST = 2.0  # seconds of face
LIT_VERTICES = 1500  # how many skin vertices the light is read from
FILM = 36.0  # mm that the longer side of the plate stands for, as in Blender's cameras
STEADY_LIGHT = 0.12  # seconds
HAIRLINE, EARS = -0.06, -0.03  # metres, y and z in head space: bare skin lies below and before them


def run(ctx: Context, options: TrackOptions, clip: Clip) -> FaceTrack:
    path = ctx.source(clip.sha256)
    plates = ctx.track(media.frames(path, clip), len(clip.times), "finding the face")
    faces = track_faces(Landmarker(), plates, options.min_confidence)
    subject = pick(link(faces), options.subject, clip)
    points, blendshapes, confidence = filled(subject, len(clip.times))
    head = load_head()
    prior, trust = suggested(head, blendshapes)
    basis = landmark_basis(head)
    focal = options.lens / FILM * max(clip.width, clip.height) if options.lens else None
    seen = Observed(points[:, basis.index], confidence, prior, trust, clip.width, clip.height, focal)
    crop_from_frame, size = windows(points[..., :2], float(clip.fps))
    plates = ctx.track(media.frames(path, clip), len(clip.times), "reading the skin")
    small = glimpses(plates, crop_from_frame, size)
    skin = watched(bare_skin(head), small, confidence, clip.width, clip.height, ctx.device)
    solved = solve(
        basis, seen, lambda fraction: ctx.progress(fraction, "solving the head"), device=ctx.device, skin=skin
    )
    light, albedo = lit(head, solved, small, confidence, clip)
    seen_points = np.where(confidence[:, None, None] > 0, points, np.nan).astype(np.float32)
    return FaceTrack(
        identity=solved.identity,
        albedo=albedo,
        expression=solved.expression,
        rotation=solved.rotation,
        translation=solved.translation,
        light=light,
        focal=solved.focal,
        crop_from_frame=crop_from_frame,
        crop_size=size,
        landmarks=seen_points,
        confidence=confidence,
        width=clip.width,
        height=clip.height,
    )


def pick(subjects: list[Subject], wanted: int | None, clip: Clip) -> Subject:
    """Chooses the asked subject, or the largest; refuses what cannot be worked on."""
    if not subjects:
        raise BadInput(
            f"no face was found in {clip.name}; give a clip in which a face is seen, or lower track.min_confidence"
        )
    if wanted is not None and not 0 <= wanted < len(subjects):
        raise BadInput(
            f"{clip.name} has {len(subjects)} subject(s) and --subject {wanted} is none of them; count from 0"
        )
    subject = subjects[wanted or 0]
    width = float(np.median([np.ptp(face.points[:, 0]) for face in subject.faces]))
    if width < SMALLEST_FACE:
        raise BadInput(
            f"the face in {clip.name} is {width:.0f} pixels wide and {SMALLEST_FACE} are needed; give a closer shot"
        )
    seconds = len(subject.frames) / float(clip.fps)
    if seconds < SHORTEST:
        raise BadInput(
            f"a face is seen for {seconds:.1f} s of {clip.name} and {SHORTEST:.0f} s are needed; give a longer clip"
        )
    return subject


def filled(subject: Subject, frames: int) -> tuple[F32, F32, F32]:
    """Lays the subject's faces over the clip; gaps are bridged in a straight line and get confidence 0.

    Returns points (T, 478, 3), blendshapes (T, 52), confidence (T,).
    """
    at = np.asarray(subject.frames)
    points = np.stack([face.points for face in subject.faces]).reshape(len(at), -1)
    scores = np.stack([face.blendshapes for face in subject.faces])
    confidence = np.zeros(frames, np.float32)
    confidence[at] = [face.score for face in subject.faces]
    every = np.arange(frames)
    both = np.concatenate([points, scores], 1)  # (n, 478 * 3 + 52)
    after = np.clip(np.searchsorted(at, every), 0, len(at) - 1)
    before = np.clip(after - (at[after] > every), 0, None)
    span = np.maximum(at[after] - at[before], 1)
    mix = np.clip((every - at[before]) / span, 0, 1)[:, None].astype(np.float32)
    bridged = both[before] * (1 - mix) + both[after] * mix
    return bridged[:, : points.shape[1]].reshape(frames, -1, 3), bridged[:, points.shape[1] :], confidence


def glimpses(plates: Iterable[U8], crop_from_frame: F32, size: int) -> Glimpses:
    """Gives the window on the face in each frame, small."""
    rgb = np.empty((len(crop_from_frame), SIZE, SIZE, 3), np.uint8)
    for t, plate in enumerate(plates):
        window = cut(plate, crop_from_frame[t], size)
        rgb[t] = cv2.resize(window, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return Glimpses(rgb, crop_from_frame * np.float32(SIZE / size))


def lit(head: Head, solved: Solved, small: Glimpses, confidence: F32, clip: Clip) -> tuple[F32, F32]:
    """Gives light (T, 9, 3) and albedo (A,) from the colours of skin that faces the camera."""
    skin = np.unique(head.triangles[head.part == SKIN])
    face = (head.mean[:, 1] > HAIRLINE) & (head.mean[:, 2] < EARS)
    skin = skin[face[skin] & (head.spoken[skin] < 0.9)]  # hair, lips and the open mouth would mislead
    skin = skin[:: max(1, len(skin) // LIT_VERTICES)]
    colours, normals, visible = [], [], []
    for t, picture in enumerate(small.rgb):
        one = slice(t, t + 1)
        shape = vertices(head, solved.identity, solved.expression[one])
        points = posed(shape, solved.rotation[one], solved.translation[one])[0]  # (V, 3)
        normal = vertex_normals(points, head.triangles, head.twin)[skin]  # (v, 3)
        seen = project(points[skin], solved.focal, clip.width, clip.height)[:, :2]
        inside = ((seen > 0) & (seen < [clip.width, clip.height])).all(1)
        matrix = small.glimpse_from_frame[t]
        pixel = (seen @ matrix[:, :2].T + matrix[:, 2] - 0.5).astype(np.float32)  # (v, 2)
        colour = cv2.remap(picture, pixel[None, :, 0], pixel[None, :, 1], cv2.INTER_LINEAR)[0] / 255
        colours.append(colour.astype(np.float32))
        normals.append(normal)
        visible.append((np.clip(-normal[:, 2] - 0.3, 0, 1) * inside * (confidence[t] > 0)).astype(np.float32))
    seen = np.stack(visible)
    seen[seen.sum(1) == 0] = 1e-3  # bridged frames take their neighbours' light through the smoothing
    steady = STEADY_LIGHT * float(clip.fps)
    return explain(
        np.stack(colours),
        np.stack(normals),
        seen,
        head.albedo_mean[skin],
        head.albedo[:, skin].astype(np.float32),
        steady,
    )
