"""Finds what the landmark net sees of a head whose pose and expression are known, beside where its landmarks truly lie.

    python -m retac_node.train.landmarkbias -o retac_node/weights/landmarks.npz [--people 40] [--pictures 40]

The net leans to the faces it learnt from: it understates nods and blinks, and contours slide over the cheek.  Painted
people of many shapes turn and grimace before it; a ridge regression tells its lean from pose and activations.
Never uses a recording of a person.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from retac_node.data import F32
from retac_node.models.head import Head, load_head
from retac_node.models.landmarker import Landmarker
from retac_node.models.landmarks3d import LANDMARKS, at_landmarks
from retac_node.ops.geometry import project, rotation_matrix
from retac_node.ops.solve import EYE_DISTANCE, viewed
from retac_node.train.performance import Performance, lighting
from retac_node.train.portrait import cast, paint_room, shoot

SIZE = 384  # pixels of a picture's side
TURN = np.radians([9.0, 16.0, 6.0])  # standard deviations of pitch, yaw and roll
LENS = (0.8, 4.0)  # focal lengths, in widths of the picture
SPREAD = {"still": 0.010, "turn": 0.020, "unit": 0.004}  # metres: how large a lean is thought to be beforehand
HUBER = 2.5  # percent of the eye distance
ROUNDS = 3  # of robust regression
HELD_OUT = 5  # one person in so many is kept for the test


@dataclass(frozen=True)
class Watched:
    """n pictures: what was drawn and what the net saw."""

    person: F32  # (n,) which actor
    identity: F32  # (n, S)
    expression: F32  # (n, E)
    rotation: F32  # (n, 3)
    translation: F32  # (n, 3)
    focal: F32  # (n,) pixels
    seen: F32  # (n, 478, 2) pixels
    scores: F32  # (n, 52) of the expression net

    def part(self, rows: F32) -> "Watched":
        return Watched(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the landmarks.npz to write")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=40, help="of each of them")
    options = parser.parse_args()
    head = load_head()
    rows = list(watch(head, options.people, options.pictures))
    made = Watched(*(np.array(column, np.float32) for column in zip(*rows, strict=True)))
    test = made.person % HELD_OUT == 0
    lean = regress(head, made.part(~test))
    for name, kept in (("untaught", np.zeros_like(lean)), ("taught", lean)):
        off = np.linalg.norm(misses(head, made.part(test), kept), axis=-1)  # (n, 478)
        print(
            f"{name}: people not learnt from, median {np.median(off):.2f}, mean {off.mean():.2f} % of the eye distance"
        )
    with options.output.open("wb") as file:
        np.savez_compressed(file, lean=regress(head, made).astype(np.float16), units=np.array(head.expression_names))


def watch(head: Head, people: int, pictures: int) -> Iterator[tuple[F32 | float, ...]]:
    """Yields the fields of `Watched` for one picture after the other."""
    net = Landmarker()
    for person in range(people):
        rng = np.random.default_rng([person, 9])
        seed = 1000 + person  # the embedded sample's actors have small seeds
        actor, room = cast(head, 1024, seed), paint_room(SIZE, seed)
        for picture in range(pictures):
            focal = float(SIZE * np.exp(rng.uniform(*np.log(LENS))))
            act = grimace(head, rng, focal)
            rgb = shoot(head, actor, act, 0, focal, room, seed * pictures + picture)
            for box in net.detect(rgb)[:1]:
                face = net.landmarks(rgb, box)
                pose = act.rotation[0], act.translation[0], focal
                yield person, actor.identity, act.expression[0], *pose, face.points[:, :2], face.blendshapes
        print(f"{person + 1} of {people} people", flush=True)


def grimace(head: Head, rng: np.random.Generator, focal: float) -> Performance:
    """Draws one frame: any face, turned anywhere, in the sample's light."""
    depth = focal / SIZE * 0.4 * rng.uniform(0.75, 1.3)  # the face fills about the same share of any picture
    aside = [rng.normal(0, 0.125) * depth * SIZE / focal, rng.normal(-0.02, 0.02), depth]
    rotation, translation = (np.array([values], np.float32) for values in (rng.normal(0, TURN), aside))
    light, key = lighting(rng, np.arange(3.0))
    return Performance(
        expression=any_face(head, rng)[None],
        rotation=rotation,
        translation=translation,
        body_rotation=0.3 * rotation,
        body_translation=translation,
        light=light[:1],
        key=key[:1],
    )


def any_face(head: Head, rng: np.random.Generator) -> F32:
    """Draws activations (E,): a few units at random, mostly on both sides; jaw, lids and gaze more often than the rest."""
    face = np.zeros(len(head.expression), np.float32)
    named = [name for name in head.expression_names if not name.startswith("extra")]
    for name in rng.choice(named, rng.integers(2, 9)):
        face[head.unit(name)] = value = rng.uniform(0, 0.8) ** 1.3
        for side, other in (("Left", "Right"), ("Right", "Left")):
            if name.endswith(side) and rng.random() < 0.8:
                face[head.unit(name.removesuffix(side) + other)] = np.clip(value + rng.normal(0, 0.08), 0, 1)
    if rng.random() < 0.7:
        face[head.unit("jawOpen")] = rng.uniform(0, 0.6)
    lids = rng.choice([rng.uniform(0, 1), 1.0]) if rng.random() < 0.35 else 0.3 * rng.uniform(0, 1) ** 2
    up, right = rng.normal(0, (0.15, 0.25))
    for side, way in (("Left", 1), ("Right", -1)):
        looks = {"Up": up, "Down": -up, "Out": way * right, "In": -way * right}
        face[head.unit(f"eyeBlink{side}")] = lids
        for look, value in looks.items():
            face[head.unit(f"eyeLook{look}{side}")] = np.clip(value, 0, 1)
    face[head.unit("mouthClose")] = min(face[head.unit("mouthClose")], face[head.unit("jawOpen")])
    return face


def regress(head: Head, made: Watched) -> F32:
    """Fits the lean (1 + 5 + E, 478, 3), metres in head space: still, by `viewed`, and by each activation at 1.

    Each landmark for itself: the net's miss, in percent of the eye distance, is the lean seen through the camera.
    """
    known = torch.as_tensor(features(head, made))  # (n, K)
    miss, through = (torch.as_tensor(array) for array in seen_through(head, made))  # (n, 478, 2), (n, 478, 2, 3)
    count = [1, 5, known.shape[1] - 6]
    spread = np.repeat(list(SPREAD.values()), count)
    ridge = torch.as_tensor(np.repeat(1 / spread**2, 3) / len(known), dtype=known.dtype).diag()
    lean = torch.zeros(known.shape[1], LANDMARKS, 3)
    for landmark in range(LANDMARKS):
        design = (known[:, None, :, None] * through[:, landmark, :, None]).flatten(2).flatten(0, 1)  # (2 n, 3 K)
        wanted, weight = miss[:, landmark].flatten(), torch.ones(2 * len(known))
        for _ in range(ROUNDS):
            weighted = design * weight[:, None] / len(known)
            found = torch.linalg.solve(weighted.T @ design + ridge, weighted.T @ wanted)
            weight = HUBER / (wanted - design @ found).abs().clamp(min=HUBER)
        lean[:, landmark] = found.view(-1, 3)
    return lean.numpy()


def misses(head: Head, made: Watched, lean: F32) -> F32:
    """Gives how far the net is from what a lean foretells: (n, 478, 2) percent of the eye distance."""
    miss, through = seen_through(head, made)
    return np.asarray(miss - np.einsum("nk,klc,nlpc->nlp", features(head, made), lean, through, optimize=True))


def features(head: Head, made: Watched) -> F32:
    turned = viewed(torch.as_tensor(rotation_matrix(made.rotation)), torch.as_tensor(made.translation))  # (n, 5)
    return np.concatenate([np.ones((len(turned), 1)), turned, made.expression], 1).astype(np.float32)


def seen_through(head: Head, made: Watched) -> tuple[F32, F32]:
    """Gives the net's misses (n, 478, 2), percent of the eye distance, and what a metre in head space makes of one."""
    bases = [at_landmarks(head, values) for values in (head.mean, head.identity, head.expression)]
    own = bases[0] + sum(
        np.tensordot(c, b, 1) for c, b in zip((made.identity, made.expression), bases[1:], strict=True)
    )
    rotation = rotation_matrix(made.rotation)
    points = own @ rotation.swapaxes(1, 2) + made.translation[:, None]  # (n, 478, 3)
    flat = np.stack([project(p, f, SIZE, SIZE)[:, :2] for p, f in zip(points, made.focal, strict=True)])
    percent = (EYE_DISTANCE * made.focal / made.translation[:, 2] / 100)[:, None]  # pixels
    camera = np.zeros((*points.shape[:2], 2, 3), np.float32)
    camera[..., 0, 0] = camera[..., 1, 1] = made.focal[:, None] / points[..., 2] / percent
    camera[..., 2] = -camera[..., 0, :1] * points[..., :2] / points[..., 2:]
    return ((made.seen - flat) / percent[..., None]).astype(np.float32), camera @ rotation[:, None]


if __name__ == "__main__":
    main()
