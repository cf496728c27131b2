"""What the sample's actor does: the line spoken, and mouth, lids, eyes, brows, head and light over time.

Everything is drawn from one seed.  Never knows pixels.  The mouth follows the phonemes' times through a table of
targets that are blended by dominance (Cohen and Massaro, Modeling Coarticulation in Synthetic Visual Speech, 1993).
"""

from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from retac_node import assets
from retac_node.data import F32, Timed
from retac_node.models import kokoro
from retac_node.models.head import Head
from retac_node.ops import sound
from retac_node.ops.geometry import axis_angle, rotation_matrix
from retac_node.ops.light import even_light, sh_basis

Times = NDArray[np.floating]

VOICE = "am_michael"
LINES = (
    "Hello, my name is Robin.",
    "Perhaps you would like to join me for a cup of tea.",
    "Then we watch the boats on the blue river.",
    "Every morning I bring fresh bread and five warm muffins home from the baker.",
    "Then I put the kettle on and think about the day.",
)
QUICKEST = 0.045  # seconds a letter: a line surely needs more
LEAD, PAUSE, TAIL = 0.20, 0.20, 0.10  # seconds of silence before, between and after the lines
LEVEL = -23.0  # dB, gated

PIVOT = np.array([0.0, 0.10, 0.02], np.float32)  # where the neck bends, metres, head space
TURN = np.radians([6.0, 12.0, 4.0])  # largest pitch, yaw and roll
SWAY = np.array([0.010, 0.005, 0.012])  # how far the body moves, metres
BODY_TURN = 0.2  # share of the head's turn that the body makes
EYE_TURN = np.radians(32)  # what a look unit of 1 turns an eye by

# Targets: jaw, then lip units.  Vowels that glide have two.  Strength says how hard a sound insists on its own shape.
OPEN, ROUND = {"jawOpen": 0.42, "tongueOut": 0.10}, {"jawOpen": 0.10, "mouthPucker": 0.55, "mouthFunnel": 0.20}
SPREAD = {"jawOpen": 0.10, "mouthSmile": 0.28, "mouthStretch": 0.15, "mouthLowerDown": 0.10}
LAX = {"jawOpen": 0.16, "mouthSmile": 0.12, "mouthLowerDown": 0.08}
HUSH = {"jawOpen": 0.08, "mouthFunnel": 0.45, "mouthPucker": 0.10}
TEETH = {"jawOpen": 0.07, "mouthStretch": 0.10, "mouthLowerDown": 0.16, "mouthUpperUp": 0.06}
LABIAL = {"jawOpen": 0.05, "mouthPress": 0.25}
DENTAL_LIP = {"jawOpen": 0.05, "mouthRollLower": 0.45, "mouthUpperUp": 0.28, "mouthLowerDown": 0.04}
TONGUE = {"jawOpen": 0.16, "tongueOut": 0.35, "mouthLowerDown": 0.10}
BACK = {"jawOpen": 0.14}
Shape = dict[str, float]
VISEMES: dict[str, tuple[float, tuple[Shape, ...]]] = {
    "sil": (0.6, ({},)),
    "ɑ": (1.0, (OPEN,)),
    "æ": (1.0, ({"jawOpen": 0.38, "mouthStretch": 0.18, "mouthLowerDown": 0.10, "tongueOut": 0.12},)),
    "ʌ": (0.7, ({"jawOpen": 0.24},)),
    "ɔ": (1.0, ({"jawOpen": 0.34, "mouthFunnel": 0.35},)),
    "ɛ": (0.9, ({"jawOpen": 0.27, "mouthStretch": 0.12, "mouthLowerDown": 0.08, "tongueOut": 0.10},)),
    "ɝ": (0.8, ({"jawOpen": 0.14, "mouthFunnel": 0.28, "mouthPucker": 0.10},)),
    "ɪ": (0.7, (LAX,)),
    "i": (1.0, (SPREAD,)),
    "ʊ": (0.9, ({"jawOpen": 0.14, "mouthFunnel": 0.32, "mouthPucker": 0.20},)),
    "u": (1.0, (ROUND,)),
    "aʊ": (1.0, (OPEN, ROUND)),
    "aɪ": (1.0, (OPEN, LAX)),
    "eɪ": (1.0, ({"jawOpen": 0.27, "mouthStretch": 0.12}, SPREAD)),
    "oʊ": (1.0, ({"jawOpen": 0.28, "mouthFunnel": 0.35}, ROUND)),
    "ɔɪ": (1.0, ({"jawOpen": 0.32, "mouthFunnel": 0.40}, LAX)),
    **dict.fromkeys("mbp", (1.2, (LABIAL,))),
    **dict.fromkeys("fv", (1.6, (DENTAL_LIP,))),
    **dict.fromkeys("θð", (1.1, (TONGUE,))),
    **dict.fromkeys("tdnsz", (0.6, (TEETH,))),
    "l": (0.7, ({"jawOpen": 0.18, "mouthLowerDown": 0.10, "tongueOut": 0.25},)),
    **dict.fromkeys(("ʃ", "ʒ", "tʃ", "dʒ"), (1.2, (HUSH,))),
    "ɹ": (0.8, ({"jawOpen": 0.10, "mouthFunnel": 0.28, "mouthPucker": 0.15},)),
    "w": (1.4, ({"jawOpen": 0.07, "mouthPucker": 0.70, "mouthFunnel": 0.10},)),
    "j": (0.7, (SPREAD,)),
    **dict.fromkeys("kɡŋh", (0.4, (BACK,))),
}
PAIRED = ("mouthSmile", "mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp")  # have a left and a right
SEALED = "mbp"


@dataclass(frozen=True)
class Line:
    """What is said, on the clip's clock."""

    samples: F32  # (N,) at kokoro.RATE
    words: tuple[Timed, ...]
    phonemes: tuple[Timed, ...]


@dataclass(frozen=True)
class Performance:
    """What the actor does in T frames.  Head space and camera space as in data.py."""

    expression: F32  # (T, E)
    rotation: F32  # (T, 3) axis-angle
    translation: F32  # (T, 3) metres
    body_rotation: F32  # (T, 3) of neck and shoulders, which share the head's rest space
    body_translation: F32  # (T, 3)
    light: F32  # (T, 9, 3)
    key: F32  # (T, 3) unit vectors towards the key light


def say(seconds: float, seed: int) -> Line:
    """Speaks as many of the LINES as fit, over and over in a long clip, with silence and a little hiss around them."""
    session, bank = kokoro.load(assets.path("kokoro")), kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[bank.names.index(VOICE)])
    rng = np.random.default_rng([seed, 1])
    samples = rng.normal(0, 2e-4, round(seconds * kokoro.RATE)).astype(np.float32)
    words: list[Timed] = []
    phonemes: list[Timed] = []
    at = LEAD
    for text in cycle(LINES):
        if at + QUICKEST * len(text) > seconds - TAIL:
            break
        spoken = kokoro.speak(session, styles, text)
        start, stop = round(at * kokoro.RATE), round(at * kokoro.RATE) + len(spoken.samples)
        if stop > len(samples) - TAIL * kokoro.RATE:
            break
        samples[start:stop] += sound.at_level(spoken.samples, kokoro.RATE, LEVEL)
        words += later(spoken.words, at)
        phonemes += later(spoken.phonemes, at)
        at = stop / kokoro.RATE + PAUSE
    return Line(samples, tuple(words), tuple(phonemes))


def later(items: tuple[Timed, ...], offset: float) -> list[Timed]:
    return [replace(item, start=item.start + offset, end=item.end + offset) for item in items]


def perform(head: Head, line: Line, times: Times, place: NDArray[Any], seed: int) -> Performance:
    """Acts the line at the times (T,), seconds; the head rests at `place` (3,), metres, camera space."""
    rng = np.random.default_rng([seed, 2])
    turns = np.stack([drift(rng, times, 1.1, limit) for limit in TURN], axis=1)  # (T, 3) pitch, yaw, roll
    step = float(times[1] - times[0])
    body_turns = BODY_TURN * gaussian_filter1d(turns, 0.3 / step, axis=0, mode="nearest")
    sway = np.stack([drift(rng, times, 1.9, limit) for limit in SWAY], axis=1) + place + PIVOT  # (T, 3) the pivot
    rotation, body_rotation = turned(turns), turned(body_turns)
    expression = mouth(head, line.phonemes, times)
    face(head, expression, rng, times, turns)
    light, key = lighting(rng, times)
    return Performance(
        expression=expression,
        rotation=rotation,
        translation=held(sway, rotation),
        body_rotation=body_rotation,
        body_translation=held(sway, body_rotation),
        light=light,
        key=key,
    )


def drift(rng: np.random.Generator, times: Times, period: float, limit: float) -> NDArray[np.float64]:
    """Wanders smoothly within [-limit, limit]: a slow part that rests at its turning points, a quick small one."""
    total = np.zeros(len(times))
    for share, every in ((0.8, period), (0.2, 0.35 * period)):
        knots = np.arange(-2 * every, times[-1] + 3 * every, every)
        values = rng.uniform(-1, 1, len(knots))
        values = np.sign(values) * abs(values) ** 0.6  # go to the ends rather than loiter in the middle
        total += share * limit * PchipInterpolator(knots + rng.uniform(0, every), values)(times)
    return total


def turned(turns: NDArray[Any]) -> F32:
    """Makes axis-angle (T, 3) of pitch, then yaw, then roll (T, 3), radians."""
    pitch, yaw, roll = (rotation_matrix(turns * np.eye(3)[k]) for k in range(3))
    return axis_angle(roll @ yaw @ pitch).astype(np.float32)


def held(pivot: NDArray[Any], rotation: F32) -> F32:
    """Gives the translation (T, 3) that keeps PIVOT at the places `pivot` (T, 3)."""
    return np.asarray((pivot - rotation_matrix(rotation) @ PIVOT).astype(np.float32))


# --- mouth ----------------------------------------------------------------------------------------------------------


def mouth(head: Head, phonemes: tuple[Timed, ...], times: Times) -> F32:
    """Shapes the mouth at the times (T,) -> (T, E); lips shut at m, b and p whatever comes before and after."""
    targets, strengths, centres, halves = keys(head, phonemes, float(times[-1]))
    away = np.maximum(abs(times[:, None] - centres) - 0.6 * halves, 0)  # (T, P) seconds from the steady part
    weights = strengths * np.exp(-((away / (0.028 + 0.35 * halves)) ** 1.3)) + 1e-9
    expression = weights @ targets / weights.sum(1, keepdims=True)  # (T, E)
    seal = sealed(phonemes, times)[:, None]
    jaw, close = head.unit("jawOpen"), head.unit("mouthClose")
    parting = [k for k, name in enumerate(head.expression_names) if "LowerDown" in name or "UpperUp" in name]
    parting += [head.unit(name) for name in ("mouthFunnel", "tongueOut", "mouthRollLower")]
    expression[:, parting] *= 1 - seal
    expression[:, jaw] *= 1 - 0.6 * seal[:, 0]
    expression[:, close] = expression[:, jaw] * seal[:, 0]
    return expression.astype(np.float32)


def keys(head: Head, phonemes: tuple[Timed, ...], end: float) -> tuple[Any, Any, Any, Any]:
    """Lays out the targets (P, E), their strengths (P,), centres (P,) and half lengths (P,), seconds; gaps are rest."""
    rows: list[tuple[Shape, float, float, float]] = []
    for phoneme in with_silence(phonemes, end):
        strength, shapes = VISEMES[phoneme.label]
        part = (phoneme.end - phoneme.start) / len(shapes)
        rows += [(shape, strength, phoneme.start + (k + 0.5) * part, part / 2) for k, shape in enumerate(shapes)]
    targets = np.zeros((len(rows), len(head.expression)))
    for row, (shape, *_) in zip(targets, rows, strict=True):
        for name, value in shape.items():
            sides = (f"{name}Left", f"{name}Right") if name in PAIRED else (name,)
            row[[head.unit(side) for side in sides]] = value
    strengths, centres, halves = np.array([row[1:] for row in rows]).T
    return targets, strengths, centres, halves


def with_silence(phonemes: tuple[Timed, ...], end: float) -> list[Timed]:
    """Puts silence into every gap of more than 80 ms."""
    full: list[Timed] = []
    at = -1.0
    for phoneme in (*phonemes, Timed("sil", end + 1, end + 2)):
        if phoneme.start - at > 0.08:
            full.append(Timed("sil", at, phoneme.start))
        full.append(phoneme)
        at = phoneme.end
    return full


def sealed(phonemes: tuple[Timed, ...], times: Times) -> NDArray[np.float64]:
    """Says how far the lips are shut (T,): 1 through m, b and p, at least 50 ms, so a frame falls in it."""
    seal = np.zeros(len(times))
    for phoneme in phonemes:
        if phoneme.label in SEALED:
            centre, half = (phoneme.start + phoneme.end) / 2, max(0.025, 0.5 * (phoneme.end - phoneme.start))
            seal = np.maximum(seal, np.clip(1 - (abs(times - centre) - half) / 0.05, 0, 1))
    return seal * seal * (3 - 2 * seal)


# --- the rest of the face, and the light ----------------------------------------------------------------------------


def face(head: Head, expression: F32, rng: np.random.Generator, times: Times, turns: NDArray[Any]) -> None:
    """Adds blinks, gaze, brows and a changing smile to `expression` (T, E), in place."""

    def add(name: str, value: Any) -> None:
        sides = (name,) if name in head.expression_names else (f"{name}Left", f"{name}Right")
        for side in sides:
            expression[:, head.unit(side)] += np.clip(value, 0, 1)

    shut = blinks(rng, times)
    up, right = gaze(rng, times, turns)
    for name, value in (("eyeLookUp", up), ("eyeLookDown", -up)):
        add(name, value * (1 - shut))
    for side, way in (("Left", 1), ("Right", -1)):  # to the picture's right is out for the person's left eye
        add(f"eyeLookOut{side}", way * right * (1 - shut))
        add(f"eyeLookIn{side}", -way * right * (1 - shut))
    add("eyeBlink", shut)
    add("browInnerUp", drift(rng, times, 0.9, 0.45))
    add("browOuterUp", drift(rng, times, 1.3, 0.30))
    add("browDown", drift(rng, times, 1.2, 0.20))
    add("mouthSmile", 0.06 + drift(rng, times, 1.6, 0.08))
    np.clip(expression, 0, 1, out=expression)


def blinks(rng: np.random.Generator, times: Times) -> NDArray[np.float64]:
    """Shuts the lids (T,) for 0.15 s every two to four seconds: 50 ms down, 40 ms shut, 60 ms up."""
    starts = rng.uniform(0.5, 1.2) + np.cumsum(np.r_[0, rng.uniform(1.8, 4.2, 2 + int(times[-1]))])
    shut = [np.interp(times - start, [0, 0.05, 0.09, 0.15], [0, 1, 1, 0]) for start in starts]
    return np.asarray(np.max(shut, axis=0))


def gaze(rng: np.random.Generator, times: Times, turns: NDArray[Any]) -> tuple[Any, Any]:
    """Looks at the lens and now and then beside it, in jumps of 50 ms: (T,) upwards, (T,) to the picture's right."""
    jumps = np.cumsum(rng.uniform(0.5, 1.6, 4 + int(2 * times[-1])))
    aims = rng.normal(0, (0.10, 0.22), (len(jumps), 2)) * rng.integers(0, 2, (len(jumps), 1))  # half are at the lens
    knots = np.stack([jumps, jumps + 0.05], axis=1).ravel()
    values = np.concatenate([np.zeros((1, 2)), np.repeat(aims, 2, axis=0)[:-1]])
    up, right = (np.interp(times, knots, column) for column in values.T)
    return up + turns[:, 0] / EYE_TURN, right + turns[:, 1] / EYE_TURN  # a head that turns keeps its eyes on the lens


def lighting(rng: np.random.Generator, times: Times) -> tuple[F32, F32]:
    """Gives the light (T, 9, 3) and where its key comes from (T, 3): a lamp on the upper left, a little unsteady."""
    aside = -0.75 + drift(rng, times, 3.0, 0.10)
    key = np.stack([aside, np.full(len(times), -0.60), np.full(len(times), -0.85)], axis=1)
    key /= np.linalg.norm(key, axis=1, keepdims=True)
    lobe = np.repeat([np.pi, 2 * np.pi / 3, np.pi / 4], (1, 3, 5))  # the clamped cosine's share of each order
    level = 1 + drift(rng, times, 2.3, 0.05)
    warm, cool = np.array([0.72, 0.68, 0.62]), np.array([0.13, 0.15, 0.18])
    fill = lobe * sh_basis(np.array([0.8, -0.1, -0.6]))
    light = (level[:, None] * lobe * sh_basis(key))[..., None] * warm + fill[:, None] * cool  # (T, 9, 3)
    return (light + even_light(0.34)).astype(np.float32), key.astype(np.float32)
