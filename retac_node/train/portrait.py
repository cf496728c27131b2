"""The sample's actor and room, painted by rule: textured head, hair, shirt and wall, and pictures of them.

Every colour is computed; no photograph is read.  Never decides what the actor does.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from retac_node.data import F32, U8
from retac_node.models.head import CAVITY, EYEBALL, SKIN, TONGUE, Head, albedo, landmarks, neutral, posed, vertices
from retac_node.ops.geometry import project
from retac_node.ops.light import sh_basis
from retac_node.ops.raster import interpolate, rasterise, vertex_normals
from retac_node.train.headpaint import HAIR_COLOUR, SKIN_COLOUR, mixed, ramp
from retac_node.train.performance import Performance

Array = NDArray[Any]

FINE = 2  # a picture is drawn this many times larger and averaged down
HAIR_THICKNESS = 0.011  # metres
SHIRT, COLLAR = (0.17, 0.27, 0.36), (0.13, 0.21, 0.29)
WALL, SHADES = (0.62, 0.60, 0.56), ((0.45, 0.40, 0.36), (0.70, 0.55, 0.40), (0.36, 0.44, 0.40), (0.75, 0.72, 0.66))
BOXES = ((0.04, 0.10, 0.20, 0.34), (0.79, 0.08, 0.95, 0.30), (0.84, 0.42, 0.99, 0.60), (0.0, 0.72, 0.16, 1.0))
SPAN = 0.8  # metres of the pictures from which the open sky is judged
NOISE = 0.007  # standard deviation of the sensor's
RINGS, AROUND = 72, 120  # of the torso's grid

# The torso, from the collar down: how far below the ears, half width, half depth and middle, metres.
DOWN = (0.108, 0.122, 0.135, 0.150, 0.168, 0.190, 0.225, 0.300, 0.450)
WIDE = (0.058, 0.061, 0.067, 0.083, 0.116, 0.160, 0.192, 0.208, 0.212)
DEEP = (0.051, 0.052, 0.057, 0.068, 0.082, 0.098, 0.112, 0.125, 0.130)
MIDDLE = (0.006, 0.006, 0.008, 0.014, 0.018, 0.020, 0.018, 0.012, 0.012)

UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (263, 466, 388, 387, 386, 385, 384, 398, 362))
LOWER_LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (263, 249, 390, 373, 374, 380, 381, 382, 362))


@dataclass(frozen=True)
class Actor:
    """Head and torso as one mesh of W vertices, the head's V first; the texture has the torso's below the head's."""

    identity: F32  # (S,)
    albedo: F32  # (A,)
    hair: F32  # (V, 3) metres, what hair adds to the skin
    rides: F32  # (V,) [0, 1] how far the head's pose rules the vertex; the neck's foot is the body's
    torso: F32  # (W - V, 3) metres, head space at rest
    triangles: NDArray[np.int32]
    twin: NDArray[np.int32]  # (W,)
    uv: F32  # (W, 2) texels
    gloss: F32  # (W,) how much the skin shines
    wet: NDArray[np.bool_]  # (F,) eyes, which mirror the lamp
    texture: F32  # (h, w, 3) RGB [0, 1]


def cast(head: Head, side: int, seed: int) -> Actor:
    """Makes the actor; `side` is the width of the texture, texels."""
    rng = np.random.default_rng([seed, 3])
    identity = rng.normal(0, 0.45, len(head.identity)).astype(np.float32)
    tint = skin_tone(len(head.albedo), rng)
    shape = neutral(head, identity)
    hairy = hair_share(head)
    grain = noise(rng, 256, 3)
    hair = hair_relief(head, shape, hairy, grain)
    torso, torso_triangles, torso_uv = torso_grid()
    count = len(shape)
    triangles = np.concatenate([head.triangles, torso_triangles + count]).astype(np.int32)
    twin = np.concatenate([head.twin, count + np.arange(len(torso))]).astype(np.int32)
    open_sky = sky(np.concatenate([shape + hair, torso]), triangles, twin)
    skin = np.unique(head.triangles[head.part == SKIN])
    gloss = np.zeros(len(twin), np.float32)
    gloss[skin] = 0.10 + 0.25 * lips_of(head)[skin] - 0.06 * hairy[skin]
    face = paint_face(head, shape, tint, hairy, open_sky[:count], side, rng)
    shirt = paint_shirt(open_sky[count:], side, rng)
    uv = np.concatenate([head.uv * side, torso_uv * [side, side / 2] + [0, side]])
    chin = landmarks(head, shape)[152]
    return Actor(
        identity=identity,
        albedo=tint,
        hair=hair,
        rides=np.asarray(ramp(shape[:, 1], 0.137, chin[1] + 0.012), np.float32),
        torso=torso,
        triangles=triangles,
        twin=twin,
        uv=uv.astype(np.float32),
        gloss=gloss,
        wet=np.pad(head.part == EYEBALL, (0, len(torso_triangles))),
        texture=np.concatenate([face, shirt]),
    )


def skin_tone(count: int, rng: np.random.Generator) -> F32:
    """Draws albedo coefficients (A,): light and dark more than hue, for skin is never green."""
    brightness = np.repeat(rng.normal(0, 0.25, -(-count // 3)), 3)[:count]  # red, green and blue of each function
    return (brightness + rng.normal(0, 0.06, count)).astype(np.float32)


# --- shape ----------------------------------------------------------------------------------------------------------


def hair_share(head: Head) -> Array:
    """Reads where hair grows off the model's painted scalp -> (V,) [0, 1]."""
    towards = np.array(HAIR_COLOUR) - SKIN_COLOUR
    share = (head.albedo_mean - SKIN_COLOUR) @ towards / (towards @ towards)
    share[(head.albedo[-1].max(1) > 0) | (head.albedo[-2].max(1) > 0)] = 0  # brows and lips are dark too
    inside = np.unique(head.triangles[head.part != SKIN])
    share[inside] = 0
    share[(head.mean[:, 2] < -0.05) & (head.mean[:, 1] > -0.03)] = 0
    return np.asarray(np.clip(share, 0, 1)[head.twin])


def lips_of(head: Head) -> Array:
    lips = head.albedo[-2].max(1)
    return np.asarray(lips / lips.max())


def hair_relief(head: Head, shape: F32, hairy: Array, grain: F32) -> F32:
    """Lifts the scalp (V, 3): thick on top, thin at the hairline, in tufts."""
    normals = vertex_normals(shape, head.triangles, head.twin)
    around, down = whorl(shape)
    tufts = lookup(grain, 9 * around, 1.5 * down)
    top = ramp(shape[:, 1], 0.0, -0.09)
    height = HAIR_THICKNESS * hairy * (0.30 + 0.75 * top + 0.12 * tufts * top)
    return np.asarray((normals * height[:, None])[head.twin].astype(np.float32))


def whorl(points: Array) -> tuple[Array, Array]:
    """Gives angle and distance, in turns, of (..., 3) round the crown, from which hair falls."""
    x, y, z = np.moveaxis(points - np.array([0.018, -0.02, 0.015]), -1, 0)
    y, z = 0.94 * y - 0.34 * z, 0.34 * y + 0.94 * z  # the axis leans back
    return np.arctan2(x, z) / (2 * np.pi), np.arctan2(np.hypot(x, z), -y) / (2 * np.pi)


def torso_grid() -> tuple[F32, Array, Array]:
    """Makes neck, shoulders and chest as a tube: vertices, triangles and uv [0, 1]; the seam is at the back."""
    v, u = np.meshgrid(np.linspace(0, 1, RINGS), np.linspace(0, 1, AROUND), indexing="ij")
    angle = 2 * np.pi * (u - 0.25)  # from the back, by the picture's left side
    level = v * (len(DOWN) - 1)
    y, wide, deep, middle = (np.interp(level, np.arange(len(DOWN)), row) for row in (DOWN, WIDE, DEEP, MIDDLE))
    round_x, round_z = (np.sign(c) * abs(c) ** 0.85 for c in (-np.cos(angle), -np.sin(angle)))
    droop = 0.030 * ramp(wide * abs(round_x), 0.07, 0.22)  # shoulders fall outwards
    points = np.stack([wide * round_x, y + droop, middle + deep * round_z], axis=-1).reshape(-1, 3)
    corner = (np.arange(RINGS - 1)[:, None] * AROUND + np.arange(AROUND - 1)).ravel()
    a, b, c, d = corner, corner + 1, corner + AROUND, corner + AROUND + 1
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    return points.astype(np.float32), triangles, np.stack([u, v], -1).reshape(-1, 2) * 0.996 + 0.002


def sky(points: Array, triangles: Array, twin: Array, views: int = 72, side: int = 200) -> Array:
    """Says how much light from all around reaches each vertex (W,) [0, 1], by looking from many sides."""
    normals = vertex_normals(points, triangles, twin)
    total, most = np.full(len(points), 1e-3), np.full(len(points), 1e-3)
    for k in range(views):  # a spiral over the sphere of directions
        y = 1 - (2 * k + 1) / views
        angle = k * np.pi * (3 - 5**0.5)
        towards = np.array([np.sqrt(1 - y * y) * np.cos(angle), y, np.sqrt(1 - y * y) * np.sin(angle)])
        across = np.cross(towards, [0.3, 0.9, 0.2])
        across /= np.linalg.norm(across)
        turned = points @ np.stack([across, np.cross(towards, across), -towards]).T
        seen = (turned + [0.5 * SPAN, 0.5 * SPAN, 1.5]) * [side / SPAN, side / SPAN, 1]
        depth = rasterise(seen, triangles, side, side).depth
        i, j = (np.clip(seen[:, k].astype(int), 0, side - 1) for k in (1, 0))
        facing = np.clip(normals @ towards, 0, None)
        total += facing * (seen[:, 2] < depth[i, j] + 0.006)
        most += facing
    return np.asarray((total / most)[twin])


# --- paint ----------------------------------------------------------------------------------------------------------


def noise(rng: np.random.Generator, side: int, octaves: int) -> F32:
    """Makes a (side, side) pattern that repeats, of mean 0 and standard deviation 1, `octaves` from the finest down."""
    total = np.zeros((side, side), np.float32)
    for k in range(octaves):
        rough = rng.standard_normal((side >> k, side >> k)).astype(np.float32)
        total += cv2.resize(np.pad(rough, 2, mode="wrap"), None, fx=1 << k, fy=1 << k, interpolation=cv2.INTER_CUBIC)[
            2 << k : (2 << k) + side, 2 << k : (2 << k) + side
        ]
    return np.asarray((total - total.mean()) / total.std())


def lookup(pattern: F32, u: Array, v: Array) -> F32:
    """Reads a repeating pattern at (u, v), in repeats, of any shape."""
    side = len(pattern)
    padded = np.pad(pattern, ((0, 1), (0, 1)), mode="wrap")
    count = np.size(u)
    rows = -(-count // 1024)  # remap takes no side of 32768 and more
    x, y = (np.resize(np.mod(w, 1).astype(np.float32) * side, (rows, 1024)) for w in np.broadcast_arrays(u, v))
    return np.asarray(cv2.remap(padded, x, y, cv2.INTER_LINEAR).reshape(-1)[:count].reshape(np.shape(u)))


def paint_face(
    head: Head, shape: F32, tint: F32, hairy: Array, open_sky: Array, side: int, rng: np.random.Generator
) -> F32:
    """Paints the head's texture (side, side, 3): each texel knows its place on the person at rest."""
    raster = rasterise(np.c_[head.uv * side, np.ones(len(head.uv))], head.triangles, side, side)
    brow = head.albedo[-1].max(1) / 0.15
    known = np.c_[shape, albedo(head, tint), hairy, lips_of(head), brow, open_sky]
    texels = interpolate(raster, head.triangles, known)  # (side, side, 10)
    part = np.where(raster.triangle < 0, 255, head.part[raster.triangle])
    place, colour = texels[..., :3], texels[..., 3:6]
    hair, lips, brows, light = np.moveaxis(texels[..., 6:], -1, 0)
    skin = part == SKIN
    plain = skin & (hair < 0.999)
    colour[plain] = paint_skin(place[plain], colour[plain], lips[plain], brows[plain], noise(rng, 512, 4))
    colour[skin] = paint_lashes(head, shape, place[skin], colour[skin])
    locks = skin & (hair > 0.001)
    colour[locks] = paint_hair(place[locks], colour[locks], hair[locks], noise(rng, 256, 2))
    colour[skin] *= (0.30 + 0.70 * light[skin])[:, None] ** 0.8
    eyes = part == EYEBALL
    colour[eyes] = paint_eyes(head, shape, place[eyes], noise(rng, 128, 2))
    colour[part == CAVITY] *= [0.6, 0.5, 0.5]
    colour[part == TONGUE] = np.maximum(1.3 * colour[part == TONGUE], [0.36, 0.18, 0.18])  # seen in its cave
    return spread(colour, part < 255)


def paint_skin(place: Array, colour: Array, lips: Array, brows: Array, grain: F32) -> Array:
    """Adds what a tracker holds on to: blotches, pores, freckles, creased lips, brows.  (n, ...) each."""
    x, y, z = place.T
    front = ramp(z, -0.02, -0.07)
    coarse = lookup(grain, x / 0.30 + z / 0.9, y / 0.30)
    pores = lookup(grain, x / 0.055 + z / 0.11, y / 0.055 + z / 0.2)
    spots = ramp(lookup(grain, x / 0.11 + z / 0.4 + 0.37, y / 0.11 + 0.11), 1.7, 2.5)
    cheeks = np.exp(-(((abs(place[:, 0]) - 0.040) / 0.020) ** 2) - ((place[:, 1] - 0.018) / 0.020) ** 2) * front
    nose = np.exp(-((place[:, 0] / 0.016) ** 2) - ((place[:, 1] - 0.014) / 0.012) ** 2) * front
    rosy = 0.35 * cheeks + 0.30 * nose
    freckled = spots * np.clip(0.15 + cheeks + nose, 0, 0.8) * (1 - lips)
    stubble = front * ramp(place[:, 1], 0.035, 0.062) * (1 - lips)
    colour = mixed(colour, (0.80, 0.45, 0.38), rosy)
    colour = mixed(colour, (0.55, 0.45, 0.40), 0.22 * stubble)
    colour = mixed(colour, (0.48, 0.29, 0.20), 0.55 * freckled)
    colour = colour * (1 + 0.022 * coarse + (0.030 + 0.04 * stubble) * pores)[:, None]
    creases = lookup(grain, x / 0.012, y / 0.2)
    colour = colour * (1 + 0.06 * lips * creases)[:, None]
    hairs = lookup(grain, (x + 0.5 * np.sign(x) * y) / 0.030, y / 0.12)
    return mixed(colour, (0.13, 0.09, 0.07), 0.7 * np.clip(brows**1.4 * (0.75 + 0.45 * hairs), 0, 1))


def paint_lashes(head: Head, shape: F32, place: Array, colour: Array) -> Array:
    """Draws a dark line along each lid's edge, the upper one thicker.  (n, 3) and (n, 3)."""
    points = landmarks(head, shape)
    for lids, thick, strength in ((UPPER_LIDS, 0.0017, 0.9), (LOWER_LIDS, 0.0010, 0.45)):
        for lid in lids:
            steps = np.linspace(0, len(lid) - 1, 60)
            line = np.stack([np.interp(steps, np.arange(len(lid)), c) for c in points[list(lid)].T], axis=1)  # (60, 3)
            near = np.flatnonzero((abs(place - line.mean(0)) < np.ptp(line, axis=0) / 2 + 0.004).all(1))
            away = cKDTree(line).query(place[near])[0]
            colour[near] = mixed(colour[near], (0.07, 0.05, 0.05), strength * ramp(away, thick, 0.3 * thick))
    return colour


def paint_hair(place: Array, colour: Array, share: Array, grain: F32) -> Array:
    """Draws strands that fall from the crown, and a hairline of single hairs.  (n, ...) each."""
    around, down = whorl(place)
    strands = lookup(grain, 5 * around, 0.8 * down)
    locks = lookup(grain, 1.2 * around + 0.3, 0.9 * down)
    tone = np.array([0.21, 0.145, 0.10]) * (1 + 0.30 * strands + 0.22 * locks)[:, None].clip(0.3, 2)
    cover = ramp(share + 0.12 * strands, 0.25, 0.75)
    return colour + cover[:, None] * (tone - colour)


def paint_eyes(head: Head, shape: F32, place: Array, grain: F32) -> Array:
    """Draws white, iris with its fibres and dark rim, and pupil, by the angle from the pupil's middle.  (n, 3)."""
    colour = np.zeros_like(place)
    pupils = landmarks(head, shape)[[468, 473]]
    owned = shape[np.unique(head.triangles[head.part == EYEBALL])]
    for pupil in pupils:
        mine = np.sign(place[:, 0]) == np.sign(pupil[0])
        ball = owned[np.sign(owned[:, 0]) == np.sign(pupil[0])]
        centre = (ball.min(0) + ball.max(0)) / 2
        centre[2] = ball[:, 2].min() + np.ptp(ball[:, 0]) / 2
        ray = place[mine] - centre
        axis = (pupil - centre) / np.linalg.norm(pupil - centre)
        angle = np.degrees(np.arccos(np.clip(ray @ axis / np.linalg.norm(ray, axis=1), -1, 1)))
        turn = np.arctan2(ray[:, 1], ray[:, 0]) / (2 * np.pi)
        fibres = lookup(grain, turn, angle / 200)
        iris = np.array([0.36, 0.43, 0.40]) * (1 + 0.16 * fibres - 0.35 * ramp(angle, 14, 9))[:, None]
        iris = mixed(iris, (0.07, 0.09, 0.10), ramp(angle, 18.5, 23))
        white = np.array([0.80, 0.765, 0.74]) * (1 - 0.25 * ramp(angle, 30, 60))[:, None]
        eye = iris + ramp(angle, 22, 24.5)[:, None] * (white - iris)
        colour[mine] = mixed(eye, (0.02, 0.02, 0.025), ramp(angle, 10.5, 8.5))
    return colour


def paint_shirt(open_sky: Array, side: int, rng: np.random.Generator) -> F32:
    """Knits the torso's texture (side / 2, side, 3): ribs round the collar, a fine weave below."""
    v, u = np.meshgrid(np.linspace(0, 1, side // 2), np.linspace(0, 1, side), indexing="ij")
    weave = lookup(noise(rng, 256, 3), 6 * u, 4 * v)
    collar = ramp(v, 0.235, 0.225)
    ribs = np.sin(2 * np.pi * 150 * u) * collar + 0.35 * np.sin(2 * np.pi * 260 * u) * (1 - collar)
    shade = cv2.resize(open_sky.reshape(RINGS, AROUND), (side, side // 2), interpolation=cv2.INTER_CUBIC)
    seam = 1 - 0.35 * np.exp(-(((v - 0.23) / 0.006) ** 2))
    tone = mixed(np.broadcast_to(SHIRT, (*u.shape, 3)).reshape(-1, 3), COLLAR, collar.ravel()).reshape(*u.shape, 3)
    return (tone * ((1 + 0.10 * ribs + 0.07 * weave) * seam * (0.25 + 0.75 * shade))[..., None]).astype(np.float32)


def spread(colour: F32, known: Array) -> F32:
    """Lets the charts' edges run a few texels out, so that bilinear reading finds no black."""
    weight = known.astype(np.float32)
    colour = colour * weight[..., None]
    near = cv2.blur(weight, (7, 7))
    return np.where(known[..., None], colour, cv2.blur(colour, (7, 7)) / np.maximum(near, 1e-4)[..., None])


def paint_room(size: int, seed: int) -> F32:
    """Paints the wall behind (size, size, 3): a soft slope of light, pictures and a lamp, out of focus."""
    rng = np.random.default_rng([seed, 4])
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    room = np.array(WALL, np.float32) * (1.12 - 0.38 * x - 0.22 * y)[..., None]
    for box, shade in zip(BOXES, SHADES, strict=True):
        left, top, right, bottom = (round(c * size) for c in box)
        room[top:bottom, left:right] *= np.array(shade) / 0.62
        edge = size // 48
        room[top + edge : bottom - edge, left + edge : right - edge] *= rng.uniform(0.75, 1.25, 3)
    room += 0.16 * np.exp(-((x - 0.09) ** 2 + (y - 0.62) ** 2) / 0.012)[..., None] * np.array([1, 0.85, 0.6])
    return cv2.GaussianBlur(room, (0, 0), size / 110)


# --- pictures -------------------------------------------------------------------------------------------------------


def shoot(head: Head, actor: Actor, act: Performance, t: int, focal: float, room: F32, seed: int) -> U8:
    """Takes the picture of frame t: (H, W, 3) u8 RGB, over the room (H, W, 3)."""
    height, width = room.shape[:2]
    points = stand(head, actor, act, t)  # (W, 3) camera space
    normals = vertex_normals(points, actor.triangles, actor.twin)
    lit = sh_basis(normals) @ act.light[t]  # (W, 3)
    shine = actor.gloss * halfway(points, normals, act.key[t]) ** 14
    seen = project(points, focal * FINE, width * FINE, height * FINE)
    raster = rasterise(seen, actor.triangles, height * FINE, width * FINE)
    drawn = interpolate(raster, actor.triangles, np.c_[actor.uv, lit, shine])  # (H', W', 6)
    found = cv2.remap(actor.texture, drawn[..., 0] - 0.5, drawn[..., 1] - 0.5, cv2.INTER_LINEAR)
    colour: F32 = np.asarray(found, np.float32)
    colour *= drawn[..., 2:5]
    colour += drawn[..., 5:]  # where nobody stands nothing is lit: colour is 0
    wet = actor.wet[raster.triangle]  # -1 is nobody, and the last triangle, which is shirt
    colour[wet] += glint(raster.triangle[wet], raster.bary[wet], actor, points, normals, act.key[t])
    cover = (raster.triangle >= 0).astype(np.float32)
    cover = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    picture = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA) + (1 - cover)[..., None] * room
    picture = picture + NOISE * np.random.default_rng([seed, 5, t]).standard_normal(picture.shape, np.float32)
    return (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def stand(head: Head, actor: Actor, act: Performance, t: int) -> F32:
    """Poses head and torso of frame t -> (W, 3) camera space; the neck bends between the two."""
    one = slice(t, t + 1)
    shape = vertices(head, actor.identity, act.expression[one]) + actor.hair  # (1, V, 3)
    of_head = posed(shape, act.rotation[one], act.translation[one])[0]
    body = np.concatenate([shape, actor.torso[None]], axis=1)
    of_body = posed(body, act.body_rotation[one], act.body_translation[one])[0]  # (W, 3)
    of_body[: len(of_head)] += actor.rides[:, None] * (of_head - of_body[: len(of_head)])
    return of_body


def halfway(points: F32, normals: F32, key: F32) -> F32:
    """Gives the cosine between normals (n, 3) and the direction half-way between lamp and lens (Blinn)."""
    half = key - points / np.linalg.norm(points, axis=1, keepdims=True)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    return np.clip((normals * half).sum(1), 0, 1)


def glint(triangle: Array, bary: F32, actor: Actor, points: F32, normals: F32, key: F32) -> F32:
    """Adds the lamp's reflection on the eyes, pixel by pixel (n, 1); the cornea's bulge draws it towards the iris."""
    corners = actor.triangles[triangle]  # (n, 3)
    normal = np.einsum("nc,ncx->nx", bary, normals[corners])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    place = np.einsum("nc,ncx->nx", bary, points[corners])
    return np.asarray(0.9 * halfway(place, normal, key * [0.55, 0.45, 1])[:, None] ** 400)
