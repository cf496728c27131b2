"""Turns a model as its files give it into a head that all stages work with.

Its S and A are the model's own; its E are 52 units with ARKit's names and 12 more, each a mixture of the model's own
directions.  What the files lack (landmarks, names, parts, colour, texture layout) is carried over from the default head
by nearness.  Never reads files.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.errors import BadInput
from retac_node.models.dropins.fit import fit, marks_of, owner, rigid
from retac_node.models.dropins.marks import place
from retac_node.models.dropins.plug import plugged
from retac_node.models.dropins.raw import RawModel, checked
from retac_node.models.dropins.units import mixtures, moved
from retac_node.models.dropins.unwrap import overlaps, split, unwrap
from retac_node.models.head import EYEBALL, SKIN, Head
from retac_node.models.landmarks3d import BROWS, EYELIDS, IRISES, LIPS

Array = NDArray[Any]

FEATURES = LIPS + EYELIDS + BROWS + IRISES  # landmarks that the net sees sharply; the others slide along the skin
CLAY = (0.76, 0.58, 0.49)  # RGB of a head that has no colour yet
FIRST_VIEWS, FIRST_DISTANCE = 6, 0.9  # metres; the model need not be in the middle yet
VIEWS, DISTANCE = 40, 0.6
PASSES = 2  # the first with a mouth that cannot open yet
AJAR = 0.4  # of jawOpen, while the texture is laid out: it needs room between the lips
MOST_OVERLAP = 0.003  # of the texture, up to which a model's own layout is taken


def convert(raw: RawModel, donor: Head) -> Head:
    """Makes the head; `donor` is the default one.  Takes a minute for 50,000 vertices.  Raises BadInput."""
    raw = checked(raw)
    raw = replace(raw, mean=raw.mean - (raw.mean.min(0) + raw.mean.max(0)) / 2)
    head = seen(bare(raw, donor), raw, FIRST_VIEWS, FIRST_DISTANCE)
    raw = at_home(raw, head, donor)
    head = replace(head, mean=raw.mean, identity=raw.identity)
    for _ in range(PASSES):
        head = seen(dressed(raw, head, donor), raw, VIEWS, DISTANCE)
    return laid_out(plugged(dressed(raw, head, donor)), raw)


def seen(head: Head, raw: RawModel, count: int, distance: float) -> Head:
    """Places the landmarks.  Raises BadInput where the head does not look like one."""
    placed = place(head, count, distance)
    if placed is None:
        raise BadInput(
            f"no face is seen on the head model in {raw.source}; give the files as their makers hand them out"
        )
    return placed


def bare(raw: RawModel, donor: Head) -> Head:
    """Makes a head of clay that cannot move; what is not known yet is zero."""
    count = len(raw.mean)
    clay = np.tile(np.array(CLAY, np.float32), (count, 1))
    return Head(
        mean=raw.mean.astype(np.float32),
        identity=raw.identity.astype(np.float32),
        expression=np.zeros((len(donor.expression_names), count, 3), np.float32),
        expression_names=donor.expression_names,
        albedo_mean=clay if raw.albedo_mean is None else raw.albedo_mean,
        albedo=np.zeros((len(donor.albedo), count, 3), np.float32),
        triangles=raw.triangles.astype(np.int32),
        uv=np.zeros((count, 2), np.float32),
        part=np.full(len(raw.triangles), SKIN, np.uint8) if raw.part is None else raw.part,
        twin=np.arange(count, dtype=np.int32),
        spoken=np.zeros(count, np.float32),
        landmark_triangle=np.full(478, -1, np.int32),
        landmark_bary=np.zeros((478, 3), np.float32),
    )


def at_home(raw: RawModel, head: Head, donor: Head) -> RawModel:
    """Brings the model to the default head's place and attitude; its size stays its own."""
    own, other = marks_of(head, donor)
    rotation, _, _ = rigid(own, other)
    shift = other.mean(0) - rotation @ own.mean(0)
    return replace(
        raw,
        mean=(raw.mean @ rotation.T + shift).astype(np.float32),
        identity=(raw.identity @ rotation.T).astype(np.float32),
        expression=(raw.expression @ rotation.T).astype(np.float32),
    )


def dressed(raw: RawModel, head: Head, donor: Head) -> Head:
    """Gives a head with landmarks what it can get from the donor, and its units."""
    found = fit(head, donor, raw.part)
    kinds = owner(head.triangles, found.part, len(head.mean))
    carried_mark = ~np.isin(np.arange(478), FEATURES)
    carried = moved(found.carry * np.float32(found.scale), donor.expression)  # (E, V, 3)
    native = mixtures(raw, carried, kinds == SKIN, donor.expression_names)  # (E, 64)
    expression = moved(native, raw.expression)
    if not raw.names:
        expression[:, kinds != SKIN] = carried[:, kinds != SKIN]  # gaze: turned in such models, not shaped
    spoken = np.where(kinds == SKIN, found.carry @ donor.spoken, kinds != EYEBALL)
    colour, change = raw.albedo_mean, raw.albedo
    if colour is None or change is None:
        colour, change = (found.carry @ donor.albedo_mean).astype(np.float32), moved(found.carry, donor.albedo)
    return replace(
        head,
        part=found.part,
        landmark_triangle=np.where(carried_mark, found.landmark_triangle, head.landmark_triangle).astype(np.int32),
        landmark_bary=np.where(carried_mark[:, None], found.landmark_bary, head.landmark_bary).astype(np.float32),
        expression=expression,
        native=native,
        spoken=spoken.astype(np.float32),
        albedo_mean=colour,
        albedo=change,
    )


def laid_out(head: Head, raw: RawModel) -> Head:
    """Gives the head its texture layout: the model's own, where no two triangles share texels, or a new one."""
    uv = None if raw.uv is None or len(raw.uv) != len(head.triangles) else one_square(raw.uv)
    if uv is None or overlaps(uv) > MOST_OVERLAP:
        uv = unwrap(head.mean + AJAR * head.expression[head.unit("jawOpen")], head.triangles)
    return split(head, uv)


def one_square(uv: Array) -> Array:
    """Brings texture coordinates (F, 3, 2) that use several unit squares side by side into one."""
    tile = np.floor(uv.mean(1)).astype(int)  # (F, 2)
    tile -= tile.min(0)
    inside = uv - np.floor(uv.mean(1, keepdims=True))
    side = int(tile.max()) + 1
    return np.asarray(np.clip((inside + tile[:, None]) / side, 0, 1))
