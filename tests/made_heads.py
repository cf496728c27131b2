"""Writes small head models in the layouts of BFM 2009, FLAME and ICT-FaceKit, made out of the default head.

The shapes are those of a person who is not the mean, so that nothing fits by being the same.  Never holds real ones' data.
"""

import numpy as np
from scipy.io import savemat

from retac_node.heads import DEFAULT
from retac_node.models.head import CAVITY, EYEBALL, SKIN, load_head, neutral

HEAD = load_head(DEFAULT)
SIZE, TILT, SHIFT = 1.06, 0.1, np.array([0.01, 0.03, -0.02])  # against the default head; radians about x, metres
UPRIGHT = np.array([1, -1, -1])  # y up, z to the viewer
PEOPLE = 6  # identity directions of the small models


def cut(parts):
    """Keeps some parts: which vertices, which triangles, and these numbered anew; seams of the texture are closed."""
    chosen = np.flatnonzero(np.isin(HEAD.part, parts))
    corners = HEAD.twin[HEAD.triangles[chosen]]
    kept, numbers = np.unique(corners, return_inverse=True)
    return kept, chosen, numbers.reshape(-1, 3)


def person():
    return neutral(HEAD, np.random.default_rng(3).normal(0, 0.7, 80))  # (V, 3)


def place(points):
    """Brings head-space points (..., 3) into the small models' own place: metres, y up, z to the viewer."""
    c, s = np.cos(TILT), np.sin(TILT)
    return SIZE * ((points * UPRIGHT) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T) + SHIFT


def turned(directions):
    return place(directions) - SHIFT


def mixed(count, directions):
    """Hides what each direction (N, V, 3) does by turning all of them into each other."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(len(directions), len(directions))))[0]
    return np.tensordot(turn[:count], directions, 1)


def write_bfm(folder):
    """Micrometres; the expressions leave out the last five vertices of the model."""
    kept, _, triangles = cut((SKIN, EYEBALL))
    spare = np.zeros((5, 3))
    mean = np.concatenate([place(person()[kept]), spare]) * 1e6
    shapes = np.concatenate([turned(HEAD.identity[:PEOPLE, kept]), np.zeros((PEOPLE, 5, 3))], 1) * 1e6
    colours = np.concatenate([HEAD.albedo[:PEOPLE, kept], np.zeros((PEOPLE, 5, 3))], 1) * 255
    deviation = np.arange(PEOPLE, 0, -1.0)[:, None]
    savemat(
        folder / "01_MorphableModel.mat",
        {
            "shapeMU": mean.reshape(-1, 1),
            "shapePC": shapes.reshape(PEOPLE, -1).T / deviation.T,
            "shapeEV": deviation,
            "texMU": np.concatenate([HEAD.albedo_mean[kept], spare]).reshape(-1, 1) * 255,
            "texPC": colours.reshape(PEOPLE, -1).T / deviation.T,
            "texEV": deviation,
            "tl": triangles[:, ::-1] + 1.0,
        },
    )
    basis = mixed(64, turned(HEAD.expression[:, kept])) * 1e6  # (64, V', 3)
    with open(folder / "Exp_Pca.bin", "wb") as file:
        np.array([64], "<i4").tofile(file)
        np.zeros(3 * len(kept), "<f4").tofile(file)
        (basis / 2).astype("<f4").tofile(file)
    np.savetxt(folder / "std_exp.txt", np.full((1, 64), 2.0))
    savemat(folder / "BFM_exp_idx.mat", {"trimIndex": np.arange(1, len(kept) + 1)[:, None]})


def write_flame(folder):
    """Skin and eyeballs; a jaw that turns about a hinge below the ears."""
    kept, _, triangles = cut((SKIN, EYEBALL))
    mean = place(person()[kept])
    shapes = np.zeros((len(kept), 3, 400))
    shapes[..., :PEOPLE] = turned(HEAD.identity[:PEOPLE, kept]).transpose(1, 2, 0)
    still = [unit for unit, name in enumerate(HEAD.expression_names) if not name.startswith(("jaw", "eyeLook"))]
    shapes[..., 300:350] = mixed(50, turned(HEAD.expression[still][:, kept])).transpose(1, 2, 0)
    weights = np.zeros((len(kept), 5))
    drop = HEAD.expression[HEAD.unit("jawOpen"), kept]
    weights[:, 2] = np.clip(np.linalg.norm(drop, axis=1) / 0.025, 0, 1)
    eyes = np.unique(HEAD.twin[HEAD.triangles[HEAD.part == EYEBALL]])
    for joint, sign in ((3, 1), (4, -1)):
        weights[np.isin(kept, eyes) & (sign * mean[:, 0] > sign * SHIFT[0])] = np.eye(5)[joint]
    weights[:, 0] = 1 - weights[:, 1:].sum(1)
    regressor = np.zeros((5, len(kept)))
    regressor[2] = np.abs(HEAD.mean[kept] * [0, 1, 1] - [0, 0.02, -0.02]).sum(1) < 0.02  # before and below the ears
    regressor[2] /= regressor[2].sum()
    np.savez(
        folder / "FLAME.npz", v_template=mean, shapedirs=shapes, posedirs=np.zeros((len(kept), 3, 36)),
        J_regressor=regressor, weights=weights, f=triangles.astype(np.uint32), kintree_table=np.zeros((2, 5)),
    )  # fmt: skip


def write_ict(folder):
    """Centimetres, the whole head, one file a shape; the eyes' two halves share texels."""
    kept, chosen, triangles = cut(range(CAVITY + 1))
    mean = place(person()[kept])
    uv = HEAD.uv[HEAD.triangles[chosen]]  # (F, 3, 2)
    write_obj(folder / "generic_neutral_mesh.obj", mean, triangles, uv)
    for n in range(PEOPLE):
        write_obj(folder / f"identity{n:03d}.obj", mean + turned(HEAD.identity[n, kept]))
    for name in HEAD.expression_names[:51]:
        moved = turned(HEAD.expression[HEAD.unit(name), kept])
        if name == "browInnerUp":
            left = mean[:, :1] > SHIFT[0]
            write_obj(folder / "browInnerUp_L.obj", mean + moved * left)
            write_obj(folder / "browInnerUp_R.obj", mean + moved * ~left)
        else:
            write_obj(folder / f"{name.replace('Left', '_L').replace('Right', '_R')}.obj"
                      if name not in ("mouthLeft", "mouthRight", "jawLeft", "jawRight") else folder / f"{name}.obj",
                      mean + moved)  # fmt: skip


def write_obj(path, points, triangles=None, uv=None):
    rows = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points * 100]
    if triangles is not None and uv is not None:
        rows += [f"vt {u:.6f} {1 - v:.6f}" for u, v in uv.reshape(-1, 2)]
        rows += ["f " + " ".join(f"{v + 1}/{3 * f + c + 1}" for c, v in enumerate(t)) for f, t in enumerate(triangles)]
    path.write_text("\n".join(rows) + "\n")
