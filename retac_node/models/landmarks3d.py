"""How the head model and the landmark nets speak to each other: which landmark is trusted, which score is believed.

The net leans: it points beside the true place, by an amount that pose and expression tell.  What it is was learnt from
drawn heads (train/landmarkbias.py) and is part of what a landmark is expected to show.
"""

from functools import cache
from pathlib import Path

import numpy as np

from retac_node.data import F32
from retac_node.models.head import SKIN, Head
from retac_node.models.landmarker import BLENDSHAPES
from retac_node.ops.photometric import Skin
from retac_node.ops.raster import vertex_normals
from retac_node.ops.solve import LandmarkBasis

LANDMARKS = 478
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149]
OVAL += [150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]  # slides along the cheek as the head turns
CHIN = [365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136]  # the part of it that shows the jaw
INNER_LIPS = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]  # a loop
OUTER_LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
UPPER_LIP, LOWER_LIP = 13, 14  # the middle of the inner lips
LIPS = INNER_LIPS + OUTER_LIPS
EYELIDS = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
EYELIDS += [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]
BROWS = [70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276]
IRISES = list(range(468, 478))
TELLING = LIPS + EYELIDS + BROWS + IRISES + CHIN

# The blendshape net reads some units as nearly nothing on any face; those scores say nothing (measured on rendered heads).
UNREAD = ("cheekPuff", "noseSneer", "mouthDimple", "jawForward", "cheekSquint", "tongueOut", "jawLeft", "jawRight")
# What landmarks alone cannot tell from a jaw that opens, or hardly see at all, is dear.
DEAR = {
    "mouthUpperUp": 3.0,
    "mouthLowerDown": 2.0,
    "mouthClose": 2.0,
    "cheekPuff": 3.0,
    "jawForward": 3.0,
    "extra": 4.0,
}
DEAR |= {"tongueOut": 30.0, "noseSneer": 2.0, "mouthShrug": 2.0}
SKIN_POINTS = 600
FORWARD = -0.1  # z of the normal of skin that is seen from before
FREE = "extra"  # units with this prefix may be negative


# What a unit leans by on drawn heads holds only in part on people: believed whole, mouths were carried worse; not at
# all, funnels and smiles were not found.
BELIEVED = 0.5
LEAN = Path(__file__).parent.parent / "weights" / "landmarks.npz"


@cache
def net_lean() -> tuple[F32, dict[str, F32]]:
    """Gives where the net points, beside the true place, in metres of head space.

    (6, 478, 3): always, then by `solve.viewed`; and by unit's name what an activation of 1 adds, (478, 3).
    """
    with np.load(LEAN, allow_pickle=False) as file:
        lean = file["lean"].astype(np.float32)  # (6 + E, 478, 3)
        units = zip(file["units"].tolist(), lean[6:], strict=True)
        return lean[:6], {name: moved if name.startswith("eye") else BELIEVED * moved for name, moved in units}


def landmark_basis(head: Head) -> LandmarkBasis:
    """Samples the head at the 478 landmarks as the net sees them; those that do not lie on it get weight 0."""
    weight = np.ones(LANDMARKS, np.float32)
    weight[OVAL] = 0.1
    weight[CHIN] = 0.4
    weight[LIPS] = 2.0
    weight[EYELIDS] = 1.5
    weight[head.landmark_triangle < 0] = 0.0
    keep = weight > 0
    plain = np.setdiff1d(np.arange(LANDMARKS), TELLING)
    keep[np.delete(plain, np.s_[::3])] = False  # the smooth rest of the skin says little that a third of it does not
    index = np.flatnonzero(keep)
    dear = [
        next((price for prefix, price in DEAR.items() if name.startswith(prefix)), 1.0)
        for name in head.expression_names
    ]
    lean, by_unit = net_lean()
    unmoved = np.zeros((LANDMARKS, 3), np.float32)
    moved = np.stack([by_unit.get(name, unmoved) for name in head.expression_names])  # (E, 478, 3)
    return LandmarkBasis(
        mean=(at_landmarks(head, head.mean) + lean[0])[index],
        identity=at_landmarks(head, head.identity)[:, index],
        expression=(at_landmarks(head, head.expression) + moved)[:, index],
        turn=lean[1:, index],
        weight=weight[index],
        index=index,
        effort=np.array(dear, np.float32),
        lower=np.array([-1.0 if name.startswith(FREE) else 0.0 for name in head.expression_names], np.float32),
    )


def bare_skin(head: Head) -> Skin:
    """Gives points of the face, between the landmarks' outermost, that show skin from before."""
    carried = at_landmarks(head, head.mean)[head.landmark_triangle >= 0, :2]
    low, high = carried.min(0), carried.max(0)
    normal = vertex_normals(head.mean, head.triangles, head.twin)
    skin = np.unique(head.twin[np.unique(head.triangles[head.part == SKIN])])
    inside = ((head.mean[skin, :2] > low) & (head.mean[skin, :2] < high)).all(1)
    skin = skin[inside & (normal[skin, 2] < FORWARD) & (head.mean[skin, 2] < head.mean[skin, 2].mean())]
    skin = skin[:: max(1, len(skin) // SKIN_POINTS)]
    return Skin(head.mean[skin], normal[skin], head.identity[:, skin], head.expression[:, skin])


def at_landmarks(head: Head, values: F32) -> F32:
    """Reads vertex values (..., V, C) at the landmarks -> (..., 478, C)."""
    corners = head.triangles[np.maximum(head.landmark_triangle, 0)]  # (478, 3)
    return np.einsum("...lkc,lk->...lc", values[..., corners, :], head.landmark_bary).astype(np.float32)


def suggested(head: Head, blendshapes: F32) -> tuple[F32, F32]:
    """Turns scores (T, 52) of the blendshape net into a prior (T, E) on activations and the trust in each (E,)."""
    prior = np.zeros((len(blendshapes), len(head.expression_names)), np.float32)
    trust = np.zeros(len(head.expression_names), np.float32)
    for unit, name in enumerate(head.expression_names):
        if name in BLENDSHAPES and not name.startswith(UNREAD):
            prior[:, unit] = blendshapes[:, BLENDSHAPES.index(name)]
            trust[unit] = 1.0
    return prior, trust
