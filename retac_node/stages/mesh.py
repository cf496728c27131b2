"""The solved head as a mesh with its texture, for display and for files.  Learns nothing that later stages need."""

import numpy as np
from retac_shared.options import MeshOptions

from retac_node import media
from retac_node.data import U8, Clip, FaceMesh, FaceTrack, Likeness
from retac_node.engine.stage import Context
from retac_node.models.head import Head, load_head, neutral
from retac_node.models.puppet import rig, source_places
from retac_node.models.skin import learn_texture, telling_frames
from retac_node.ops.window import cut


def run(ctx: Context, options: MeshOptions, clip: Clip, track: FaceTrack) -> Likeness:
    """Gathers the person's albedo from the frames that tell most of it, and colours the head at rest with it."""
    head, frames = load_head(), telling_frames(track)
    plates = media.frames_at(ctx.source(clip.sha256), clip, frames.tolist())
    windows = [
        cut(plate, track.crop_from_frame[n], track.crop_size)
        for n, plate in zip(ctx.track(frames, label="gathering the texture"), plates, strict=True)
    ]
    texture = learn_texture(head, track, np.stack(windows), source_places(rig(head), track, frames), frames)[0]
    return Likeness(face_mesh(head, track, texture), texture)


def face_mesh(head: Head, track: FaceTrack, texture: U8) -> FaceMesh:
    """Gives the person's head at rest, coloured by the texture (h, w, 3) at each vertex."""
    side = np.array(texture.shape[1::-1]) - 1  # x, y
    x, y = np.rint(head.uv * side).astype(int).T
    return FaceMesh(
        vertices=neutral(head, track.identity).astype(np.float32),
        triangles=head.triangles,
        uv=np.stack([head.uv[:, 0], 1 - head.uv[:, 1]], 1).astype(np.float32),  # v up
        colour=texture[y, x],
        expression_basis=head.expression.astype(np.float32),
        names=head.expression_names,
    )
