"""Reads FLAME (Li et al. 2017) out of an .npz file with the arrays of its makers' model file.

FLAME turns the jaw as a joint; here its turn is made into two directions, so that the model stays linear.  Never opens
the makers' own .pkl: a pickle can run any program.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.errors import BadInput
from retac_node.models.dropins.raw import NATIVE, UPRIGHT, RawModel
from retac_node.models.head import EYEBALL, SKIN
from retac_node.ops.geometry import rotation_matrix

Array = NDArray[Any]

NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f")
SHAPES = 300  # of shapedirs; the others are expressions
JAW, EYES = 2, (3, 4)  # joints
OPEN, SIDEWAYS = 0.44, 0.12  # radians at which the jaw's turns about x and y are made straight: 25 and 7 degrees
JAW_TURNS = 2  # the last of the native directions, one radian each
UNPICKLE = (
    "python -c \"import sys,pickle,numpy as n; m=pickle.load(open(sys.argv[1],'rb'),encoding='latin1'); "
    "m['J_regressor']=getattr(m['J_regressor'],'toarray',lambda:m['J_regressor'])(); "
    f'n.savez(sys.argv[2],**{{k:n.array(m[k]) for k in {list(NEEDED)}}})" FLAME.pkl FLAME.npz'
)


def files(folder: Path) -> list[Path]:
    """Lists what is read: the first .npz in the folder."""
    return sorted(folder.glob("*.npz"))[:1]


def read(folder: Path) -> RawModel:
    """Reads the model.  Raises BadInput for a file that is missing or is not what its name says."""
    model = arrays(folder)
    mean, shapes = model["v_template"], model["shapedirs"]  # (V, 3), (V, 3, 400)
    fits = shapes.ndim == 3 and shapes.shape[:2] == mean.shape and shapes.shape[2] > SHAPES and mean.shape[1:] == (3,)
    joints = len(model["J_regressor"])
    fits &= model["weights"].shape == (len(mean), joints) and model["J_regressor"].shape == (joints, len(mean))
    fits &= joints > max(EYES) and model["posedirs"].shape == (len(mean), 3, 9 * (joints - 1))
    if not fits:
        raise BadInput(f"{files(folder)[0]} is not FLAME: its arrays do not fit each other; convert the file again")
    own = shapes[..., SHAPES : SHAPES + NATIVE - JAW_TURNS].transpose(2, 0, 1)  # (n, V, 3)
    native = np.zeros((NATIVE, *mean.shape))
    native[: len(own)] = own
    native[-JAW_TURNS:] = [jaw(model, axis, most) / most for axis, most in ((0, OPEN), (1, SIDEWAYS))]
    eyeball = model["weights"][:, EYES].sum(1) > 0.5  # (V,)
    triangles = model["f"].astype(np.int32)
    return RawModel(
        source=str(folder),
        mean=(mean * UPRIGHT).astype(np.float32),
        identity=(shapes[..., :SHAPES].transpose(2, 0, 1) * UPRIGHT).astype(np.float32),
        expression=(native * UPRIGHT).astype(np.float32),
        names=(),
        triangles=triangles,
        part=np.where(eyeball[triangles].all(1), EYEBALL, SKIN).astype(np.uint8),
    )


def arrays(folder: Path) -> dict[str, Array]:
    """Opens the file, never a pickle in it."""
    found = files(folder)
    if not found:
        kind = "only FLAME's .pkl, which is never opened: it could run any program" if any(folder.glob("*.pkl")) else (
            "no FLAME.npz"
        )  # fmt: skip
        raise BadInput(f"{folder} holds {kind}; where you trust the makers' file, convert it with: {UNPICKLE}")
    try:
        with np.load(found[0], allow_pickle=False) as file:
            if missing := [name for name in NEEDED if name not in file.files]:
                raise BadInput(f"{found[0]} has no {missing[0]}; convert FLAME's file with: {UNPICKLE}")
            return {name: np.asarray(file[name], float) for name in NEEDED}
    except (ValueError, OSError, EOFError) as error:
        raise BadInput(f"{found[0]} cannot be read ({error}); convert FLAME's file with: {UNPICKLE}") from None


def jaw(model: dict[str, Array], axis: int, angle: float) -> Array:
    """Gives how far the mean face moves (V, 3) when the jaw turns so many radians about an axis.

    Linear blend skinning with the correctives for that turn: Li et al. 2017, equations 2 to 5, all other joints at rest.
    """
    turn = np.zeros(3)
    turn[axis] = angle
    rotation = rotation_matrix(turn)
    rest = model["v_template"]
    corrective = model["posedirs"][..., 9 * (JAW - 1) : 9 * JAW] @ (rotation - np.eye(3)).ravel()  # (V, 3)
    hinge = model["J_regressor"][JAW] @ rest
    shaped = rest + corrective
    turned = (shaped - hinge) @ rotation.T + hinge
    return np.asarray(shaped + model["weights"][:, JAW, None] * (turned - shaped) - rest)
