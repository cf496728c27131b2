"""Fits a 3DMM to landmark tracks: one identity and focal length for the clip, expression and pose for each frame.

All frames are optimised at once, so smoothness in time is part of the fit and has no phase lag.  Pixels count only as the
pattern of the skin (photometric.py), once the landmarks have had their say.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from retac_node.data import F32, FaceTrack
from retac_node.ops.conjugate import conjugate_gradients, curvature
from retac_node.ops.geometry import axis_angle, project, rotation_matrix, rotation_matrix_torch
from retac_node.ops.photometric import Placed, Watched, pattern_equations


@dataclass(frozen=True)
class LandmarkBasis:
    """The head model, sampled at the L landmarks that lie on it."""

    mean: F32  # (L, 3) metres, head space
    identity: F32  # (S, L, 3) metres a standard deviation
    expression: F32  # (E, L, 3) metres at activation 1
    turn: F32  # (5, L, 3) metres: how landmarks slide over the skin with the view, see `views`
    weight: F32  # (L,) trust in each landmark; 0 on sliding contours
    index: NDArray[np.int64]  # (L,) which of the 478 landmarks they are
    effort: F32  # (E,) how dear an activation is: what landmarks confuse costs more
    lower: F32  # (E,) smallest activation allowed


@dataclass(frozen=True)
class Observed:
    """What was seen, with bridged frames already filled in."""

    points: F32  # (T, L, 3) plate pixels, depth in the same scale
    confidence: F32  # (T,) [0, 1]
    prior: F32  # (T, E) activations suggested by the blendshape net
    prior_weight: F32  # (E,) trust in them, 0 where the net reads nothing
    width: int
    height: int
    focal: float | None = None  # pixels, where the lens is known


@dataclass(frozen=True)
class Solved:
    identity: F32  # (S,)
    expression: F32  # (T, E)
    rotation: F32  # (T, 3)
    translation: F32  # (T, 3)
    focal: float  # pixels
    error: F32  # (T,) mean landmark distance, percent of the distance between the eyes


@dataclass(frozen=True)
class Weights:
    """Of the terms of the loss; residuals are in percent of the eye distance, means over landmarks and frames."""

    huber: float = 1.5  # percent; beyond it a landmark counts linearly
    identity: float = 0.004  # a coefficient's square, summed over S
    effort: float = 0.03  # an activation's square, summed over E
    prior: float = 0.15  # squared distance from the blendshape net, summed over E
    focal: float = 2.0  # squared log ratio to the guess; a turning head says little about its lens
    pose_smooth: float = 0.06  # squared second difference of the pose, in percent of the eye distance
    expression_smooth: float = 0.05  # squared second difference of activations, summed over E


EYE_DISTANCE = 0.062  # metres, adult mean between pupils
ORDINARY_LENS = 1.5  # of the longer side: 37 degrees
ORDINARY_DISTANCE = 1.0  # metres from lens to head
MOST_ACTIVE = 1.2  # an activation may go a little beyond what its name says
DAMPING = 1e-5  # Levenberg-Marquardt, of the diagonal
KNOWN = 1e4  # weight of the squared log ratio to a focal length that was given
MISPLACED = 0.004  # metres: a landmark is not moved further on the skin
AT_ONCE = 128  # frames whose Jacobian is held in memory together
RADIAN, METRE = 100.0, 100.0 / EYE_DISTANCE  # percent of the eye distance that a unit of pose moves a point by


def solve(
    basis: LandmarkBasis,
    seen: Observed,
    progress: Callable[[float], None],
    steps: int = 7,
    weights: Weights = Weights(),
    device: str = "cpu",
    identity: F32 | None = None,
    skin: Watched | None = None,
    skin_steps: int = 3,
) -> Solved:
    """Minimises the landmark error of all frames together by Gauss-Newton; `identity` (S,), when given, is kept.

    The terms are those of Deng et al. 2019 (eq. 3-5), of pixels the pattern of the `skin`, and smoothness over time.
    The frames meet in the identity, the lens and the smoothness, so each step's equations are solved by conjugate gradients.
    """
    if identity is not None:
        person = basis.mean + np.tensordot(identity, basis.identity, 1)
        basis = replace(basis, mean=person, identity=basis.identity[:0])
    problem = pose_problem(basis, seen, weights, device)
    state = start(problem, basis, seen)
    total = steps + (skin_steps if skin is not None else 0)
    for step in range(total):
        progress(step / total)
        if step == steps:
            problem = replace(problem, skin=skin)
        state = improved(problem, state)
        if step == steps // 2:
            problem = replace(problem, mean=problem.mean + misplaced(problem, state))
    error = residuals(problem, state).norm(dim=-1).mean(1)
    return Solved(
        identity=state.shared[:-1].float().cpu().numpy() if identity is None else identity,
        expression=state.expression.float().cpu().numpy(),
        rotation=axis_angle(state.rotation.cpu().numpy()).astype(np.float32),
        translation=state.translation_at(problem.focal).float().cpu().numpy(),
        focal=float(problem.focal * state.shared[-1].exp()),
        error=error.float().cpu().numpy(),
    )


@dataclass(frozen=True)
class Problem:
    """The fit's constants as tensors, float64 where sums are taken."""

    mean: Tensor  # (L, 3)
    identity: Tensor  # (S, L, 3)
    expression: Tensor  # (E, L, 3)
    turn: Tensor  # (5, L, 3)
    target: Tensor  # (T, L, 2) pixels from the plate's middle
    trust: Tensor  # (T, L) mean 1
    scale: Tensor  # (T,) pixels in a percent of the eye distance
    focal: float  # the guess
    stiff: Tensor  # (E,) what an activation's square costs, twice
    prior: Tensor  # (T, E)
    prior_stiff: Tensor  # (E,)
    smooth: Tensor  # (E + 6,) what a second difference's square costs, twice
    lower: Tensor  # (E,)
    shared_stiff: Tensor  # (S + 1,)
    huber: float
    skin: Watched | None = None  # whose pattern counts as well


@dataclass(frozen=True)
class State:
    expression: Tensor  # (T, E)
    rotation: Tensor  # (T, 3, 3)
    translation: Tensor  # (T, 3) metres as if the lens were the guessed one
    shared: Tensor  # (S + 1,) identity, then the log ratio of the focal length to the guess

    def translation_at(self, focal: float) -> Tensor:
        """Gives (T, 3): a longer lens stands further away."""
        stretch = torch.ones(3, dtype=self.shared.dtype, device=self.shared.device)
        stretch[2] = self.shared[-1].exp()
        return self.translation * stretch


def pose_problem(basis: LandmarkBasis, seen: Observed, weights: Weights, device: str) -> Problem:
    def tensor(array: F32) -> Tensor:
        return torch.tensor(np.asarray(array), dtype=torch.float64, device=device)

    focal = seen.focal or guessed_focal(basis, seen)
    trust = tensor(basis.weight[None] * np.maximum(seen.confidence, 1e-3)[:, None])  # (T, L)
    smooth = np.full(len(basis.expression) + 6, 2 * weights.expression_smooth)
    smooth[-6:-3] = 2 * weights.pose_smooth * RADIAN**2
    smooth[-3:] = 2 * weights.pose_smooth * METRE**2
    smooth[-1] /= 25  # depth is seen far less well than place, and its scale is the distance's
    shared = np.full(len(basis.identity) + 1, 2 * weights.identity * len(seen.points))
    shared[-1] = 2 * (KNOWN if seen.focal else weights.focal) * len(seen.points)
    return Problem(
        mean=tensor(basis.mean),
        identity=tensor(basis.identity),
        expression=tensor(basis.expression),
        turn=tensor(basis.turn),
        target=tensor(seen.points[..., :2] - np.array([seen.width / 2, seen.height / 2])),
        trust=trust / trust.mean(),
        scale=tensor(EYE_DISTANCE * focal / start_pose(basis, seen, focal)[1][:, 2] / 100),
        focal=focal,
        stiff=tensor(2 * weights.effort * basis.effort),
        prior=tensor(seen.prior),
        prior_stiff=tensor(2 * weights.prior * seen.prior_weight),
        smooth=tensor(smooth),
        lower=tensor(basis.lower),
        shared_stiff=tensor(shared),
        huber=weights.huber,
    )


def guessed_focal(basis: LandmarkBasis, seen: Observed) -> float:
    """Gives the focal length, pixels, that makes lens and distance equally ordinary: their product is what is seen."""
    lens = ORDINARY_LENS * max(seen.width, seen.height)
    distance = float(np.median(start_pose(basis, seen, lens)[1][:, 2]))  # metres, if the lens were ordinary
    return lens * np.sqrt(ORDINARY_DISTANCE / distance)


def start(problem: Problem, basis: LandmarkBasis, seen: Observed) -> State:
    rotation, translation = start_pose(basis, seen, problem.focal)
    shared = torch.zeros_like(problem.shared_stiff)
    return State(
        expression=problem.prior * (problem.prior_stiff > 0),
        rotation=torch.tensor(rotation_matrix(rotation), dtype=shared.dtype, device=shared.device),
        translation=torch.tensor(translation, dtype=shared.dtype, device=shared.device),
        shared=shared,
    )


def residuals(problem: Problem, state: State) -> Tensor:
    """Gives (T, L, 2) in percent of the eye distance."""
    points = placed(problem, state, slice(None))[1]
    focal = problem.focal * state.shared[-1].exp()
    return (focal * points[..., :2] / points[..., 2:] - problem.target) / problem.scale[:, None, None]


def placed(problem: Problem, state: State, frames: slice) -> tuple[Tensor, Tensor]:
    """Gives the landmarks turned with the head and, moved into the camera too, both (t, L, 3)."""
    shape = problem.mean + torch.einsum("s,slc->lc", state.shared[:-1], problem.identity)  # (L, 3)
    E, L, _ = problem.expression.shape
    points = shape + (state.expression[frames] @ problem.expression.reshape(E, -1)).view(-1, L, 3)
    moved = state.translation_at(problem.focal)[frames]
    points = points + torch.einsum("tk,klc->tlc", viewed(state.rotation[frames], moved), problem.turn)
    turned = points @ state.rotation[frames].transpose(1, 2)  # (t, L, 3)
    return turned, turned + moved[:, None]


def viewed(rotation: Tensor, translation: Tensor) -> Tensor:
    """Gives (t, 5): x, y, x^2, y^2 and xy of the unit vector from head (t, 3, 3), (t, 3) to camera, in head space.

    The landmark net does not point at the same skin from every side: contours slide, and it understates nods.
    """
    x, y, _ = to_camera(rotation, translation)[1].unbind(1)
    return torch.stack([x, y, x * x, y * y, x * y], 1)


def to_camera(rotation: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
    """Gives the unit vector from head to camera in camera space and in head space, both (t, 3)."""
    towards = -functional.normalize(translation, dim=1)
    return towards, (rotation.transpose(1, 2) @ towards[..., None])[..., 0]


def slide(rotation: Tensor, translation: Tensor) -> Tensor:
    """Gives (t, 5, 3): what a small turn in camera space changes `viewed` by."""
    towards, (x, y, _) = to_camera(rotation, translation)[0], to_camera(rotation, translation)[1][..., None].unbind(1)
    turn = torch.cross(rotation, towards[:, :, None].expand_as(rotation), dim=1)  # (t, 3, 3) axis of the turn, x y z
    dx, dy = turn[..., 0], turn[..., 1]  # (t, 3)
    return torch.stack([dx, dy, 2 * x * dx, 2 * y * dy, x * dy + y * dx], 1)


def expected(basis: LandmarkBasis, track: FaceTrack) -> F32:
    """Gives where the landmarks (T, L, 2) of a solved head are expected, plate pixels, the net's lean included."""
    shape = basis.mean + np.tensordot(track.identity, basis.identity, 1)
    rotation = rotation_matrix(track.rotation)
    side = viewed(torch.as_tensor(rotation), torch.as_tensor(track.translation)).numpy()  # (T, 5)
    own = shape + np.tensordot(track.expression, basis.expression, 1) + np.tensordot(side, basis.turn, 1)
    points = own @ rotation.swapaxes(1, 2) + track.translation[:, None]
    return np.asarray(project(points, track.focal, track.width, track.height)[..., :2])


def misplaced(problem: Problem, state: State) -> Tensor:
    """Finds how far each landmark sits from its place on this person's skin, (L, 3) metres in head space.

    What no expression explains and every frame shows is the landmark map's error, not the face's: left in, the mouth would
    be bent to make up for it.
    """
    error = residuals(problem, state) * problem.scale[:, None, None]  # (T, L, 2) pixels
    depth = placed(problem, state, slice(None))[1][..., 2:]
    metres = -error * depth / (problem.focal * state.shared[-1].exp())  # (T, L, 2) in the camera's plane
    back = torch.einsum("tlp,tpc->tlc", metres, state.rotation[:, :2])  # (T, L, 3) head space
    steady = (back * problem.trust[..., None]).sum(0) / problem.trust.sum(0)[:, None].clamp(min=1e-9)
    basis = problem.expression.flatten(1).T  # (3L, E)
    explained = basis @ torch.linalg.lstsq(basis, steady.flatten()[:, None]).solution
    return (steady - explained.view_as(steady)).clamp(-MISPLACED, MISPLACED)


def improved(problem: Problem, state: State) -> State:
    """Takes one Gauss-Newton step; activations at a bound stay there unless they are drawn inwards.

    Where the pattern of the skin counts, only activations move: what shade it holds would draw the pose along.
    """
    own, cross, common, pull, shared_pull = equations(problem, state)
    e, T = state.expression, len(state.expression)
    if problem.skin is not None:
        cross, shared_pull = torch.zeros_like(cross), torch.zeros_like(shared_pull)
    low, high = problem.lower.expand_as(e), torch.full_like(e, MOST_ACTIVE)
    free = torch.ones(T, own.shape[1], dtype=torch.bool, device=e.device)
    free[:, : e.shape[1]] = ~(((e <= low) & (pull[:, : e.shape[1]] < 0)) | ((e >= high) & (pull[:, : e.shape[1]] > 0)))
    free[:, e.shape[1] :] = problem.skin is None
    step, shared_step = conjugate_gradients(own, cross, common, problem.smooth, pull * free, shared_pull, free)
    step_e, step_r, step_t = step.split([e.shape[1], 3, 3], 1)
    return State(
        expression=torch.minimum(torch.maximum(e + step_e, low), high),
        rotation=rotation_matrix_torch(step_r) @ state.rotation,
        translation=state.translation + step_t,
        shared=state.shared + shared_step,
    )


def equations(problem: Problem, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Builds the normal equations without the smoothness: (T, N, N), (T, N, G), (G, G), and the pulls (T, N), (G,).

    N = E + 6 unknowns of a frame, G = S + 1 that the clip shares.
    """
    blocks = [frame_blocks(problem, state, slice(t, t + AT_ONCE)) for t in range(0, len(state.expression), AT_ONCE)]
    own, cross, pull = (torch.cat([block[i] for block in blocks]) for i in (0, 1, 3))
    common = torch.diag(problem.shared_stiff) + sum(block[2] for block in blocks)
    shared_pull = sum(block[4] for block in blocks) - problem.shared_stiff * state.shared
    E = state.expression.shape[1]
    if problem.skin is not None:
        add_skin(problem, state, problem.skin, own, pull)
    stiff = problem.stiff + problem.prior_stiff
    own.diagonal(dim1=1, dim2=2)[:, :E] += stiff
    pull[:, :E] -= problem.stiff * state.expression + problem.prior_stiff * (state.expression - problem.prior)
    pull -= problem.smooth * curvature(motion_of(state))
    own.diagonal(dim1=1, dim2=2).mul_(1 + DAMPING).add_(1e-9)
    common.diagonal().mul_(1 + DAMPING)
    return own, cross, common, pull, torch.as_tensor(shared_pull)


def frame_blocks(problem: Problem, state: State, frames: slice) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    turned, points = placed(problem, state, frames)
    t, L = turned.shape[:2]
    focal = problem.focal * state.shared[-1].exp()
    over = focal / points[..., 2:] / problem.scale[frames, None, None]  # (t, L, 1)
    seen = points[..., :2] / points[..., 2:]
    error = (
        seen * focal / problem.scale[frames, None, None] - problem.target[frames] / problem.scale[frames, None, None]
    )
    weight = problem.trust[frames] * (problem.huber / error.norm(dim=-1).clamp(min=problem.huber)) / L  # (t, L)
    project = torch.zeros(t, L, 2, 3, dtype=turned.dtype, device=turned.device)  # d pixel / d point
    project[..., 0, 0] = project[..., 1, 1] = over[..., 0]
    project[..., 2] = -over * seen
    by_head = (project @ state.rotation[frames, None]).float()  # (t, L, 2, 3)
    J_e = torch.einsum("tlpc,elc->tlpe", by_head, problem.expression.float())
    J_s = torch.einsum("tlpc,slc->tlps", by_head, problem.identity.float())
    J_r = torch.cross(turned[:, :, None].expand_as(project), project, dim=-1).float()
    slid = slide(state.rotation[frames], state.translation_at(problem.focal)[frames])
    J_r += by_head @ torch.einsum("tkr,klc->tlcr", slid, problem.turn).float()
    stretch = torch.ones(3, dtype=project.dtype, device=project.device)
    stretch[2] = state.shared[-1].exp()
    J_t = (project * stretch).float()
    deep = state.translation_at(problem.focal)[frames, None, 2:]  # (t, 1, 1)
    J_f = (seen * focal / problem.scale[frames, None, None] + project[..., 2] * deep).float()[..., None]
    J = torch.cat([J_e, J_r, J_t], -1).view(t, 2 * L, -1)  # (t, 2L, N)
    G = torch.cat([J_s, J_f], -1).view(t, 2 * L, -1)  # (t, 2L, G)
    W = weight.float().repeat_interleave(2, 1)[..., None]  # (t, 2L, 1)
    pulled = error.float().view(t, 2 * L, 1) * W
    own, cross = J.transpose(1, 2) @ (J * W), J.transpose(1, 2) @ (G * W)
    common = torch.einsum("tig,tih->gh", G * W, G)
    pull, shared_pull = -(J.transpose(1, 2) @ pulled)[..., 0], -(G.transpose(1, 2) @ pulled).sum(0)[:, 0]
    return own.double(), cross.double(), common.double(), pull.double(), shared_pull.double()


def add_skin(problem: Problem, state: State, skin: Watched, own: Tensor, pull: Tensor) -> None:
    """Adds what the skin's pattern says of the activations to the equations (T, N, N) and the pulls (T, N)."""
    placed = Placed(
        identity=state.shared[:-1].float(),
        expression=state.expression.float(),
        rotation=state.rotation.float(),
        translation=state.translation_at(problem.focal).float(),
        focal=float(problem.focal * state.shared[-1].exp()),
        turned=turned_from_first(state).float(),
    )
    E = state.expression.shape[1]
    own_skin, pull_skin = pattern_equations(skin, placed, AT_ONCE)
    own[:, :E, :E] += own_skin
    pull[:, :E] += pull_skin


def motion_of(state: State) -> Tensor:
    """Gives (T, N) curves whose curvature is penalised; rotations as turns from the first frame's."""
    return torch.cat([state.expression, turned_from_first(state), state.translation], 1)


def turned_from_first(state: State) -> Tensor:
    """Gives rotation vectors (T, 3)."""
    return torch.as_tensor(axis_angle((state.rotation @ state.rotation[0].T).cpu().numpy()), device=state.shared.device)


def start_pose(basis: LandmarkBasis, seen: Observed, focal: float) -> tuple[F32, F32]:
    """Aligns the mean head to each frame's landmarks in 3-D (Umeyama 1991), gives axis-angle (T, 3) and translation (T, 3)."""
    weight = basis.weight / basis.weight.sum()
    model_centre = weight @ basis.mean  # (3,)
    model = basis.mean - model_centre
    centre = np.einsum("l,tlc->tc", weight, seen.points)  # (T, 3)
    points = seen.points - centre[:, None]
    covariance = np.einsum("l,tlc,ld->tcd", weight, points, model)  # (T, 3, 3)
    u, singular, vt = np.linalg.svd(covariance)
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    matrix = (u * sign[:, None]) @ vt  # (T, 3, 3)
    scale = (singular * sign).sum(1) / (weight[:, None] * model**2).sum()  # (T,) pixels a metre
    depth = focal / scale
    across = (centre[:, :2] - [seen.width / 2, seen.height / 2]) * (depth / focal)[:, None]
    translation = np.concatenate([across, depth[:, None]], 1) - matrix @ model_centre
    return axis_angle(matrix).astype(np.float32), translation.astype(np.float32)
