"""The head is the shape it says it is: units, sides, lids, jaw, lips, eyes and landmarks."""

import numpy as np
import pytest

from retac_node.models.head import (
    CAVITY,
    EYEBALL,
    LOWER_TEETH,
    SKIN,
    TONGUE,
    UPPER_TEETH,
    albedo,
    landmarks,
    load_head,
    neutral,
    posed,
    vertices,
)
from retac_node.ops.geometry import project
from retac_node.ops.raster import rasterise, vertex_normals

HEAD = load_head()
SIDE, FOCAL = 256, 560.0


def shape(identity=None, **units):
    activations = np.zeros((1, len(HEAD.expression)), np.float32)
    for name, value in units.items():
        activations[0, HEAD.unit(name)] = value
    return vertices(HEAD, np.zeros(80) if identity is None else identity, activations)[0]


def parts_seen(points, rotation=(0.0, 0.0, 0.0)):
    """Looks from the height of the mouth."""
    camera = posed(points[None], np.array([rotation]), np.array([[0, -0.047, 0.6]]))[0]
    raster = rasterise(project(camera, FOCAL, SIDE, SIDE), HEAD.triangles, SIDE, SIDE)
    return np.where(raster.triangle < 0, 255, HEAD.part[raster.triangle])


def owned(part):
    return np.unique(HEAD.triangles[HEAD.part == part])


def test_the_arrays_have_the_sizes_of_the_format():
    count, faces = len(HEAD.mean), len(HEAD.triangles)
    assert HEAD.identity.shape == (80, count, 3)
    assert HEAD.expression.shape == (64, count, 3) == (len(HEAD.expression_names), count, 3)
    assert HEAD.albedo.shape == (80, count, 3)
    assert HEAD.triangles.max() < count
    assert HEAD.part.shape == (faces,)
    assert HEAD.landmark_triangle.shape == (478,)
    assert 0 <= HEAD.uv.min() <= HEAD.uv.max() <= 1
    assert 0 <= HEAD.albedo_mean.min() <= HEAD.albedo_mean.max() <= 1


def test_it_is_a_head_of_human_size_that_faces_the_camera():
    eyes = HEAD.mean[owned(EYEBALL)]
    left, right = eyes[eyes[:, 0] > 0].mean(0), eyes[eyes[:, 0] < 0].mean(0)
    assert 0.055 < left[0] - right[0] < 0.072
    assert left[2] < -0.05
    assert -0.04 < left[1] < 0
    assert 0.12 < np.ptp(HEAD.mean[:, 0]) < 0.19
    assert HEAD.mean[:, 2].argmin() in owned(SKIN)  # the nose


def test_triangles_face_outwards():
    camera = posed(HEAD.mean[None], np.zeros((1, 3)), np.array([[0, 0, 0.6]]))[0]
    raster = rasterise(project(camera, FOCAL, SIDE, SIDE), HEAD.triangles, SIDE, SIDE)
    seen = HEAD.triangles[np.unique(raster.triangle[raster.triangle >= 0])]
    a, b, c = (camera[seen[:, k]] for k in range(3))
    assert ((np.cross(b - a, c - a) * a).sum(-1) < 0).mean() > 0.98


def test_the_texture_never_overlaps():
    size = 1024
    flat = np.c_[HEAD.uv * size, np.ones(len(HEAD.uv))].astype(np.float32)
    covered = (rasterise(flat, HEAD.triangles, size, size).triangle >= 0).mean()
    ab, ac = (HEAD.uv[HEAD.triangles[:, k]] - HEAD.uv[HEAD.triangles[:, 0]] for k in (1, 2))
    area = (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2
    assert abs(abs(area).sum() - covered) < 0.003


def test_units_are_linear_and_left_is_the_persons_left():
    both = shape(jawOpen=0.3, mouthSmileLeft=0.5)
    alone = shape(jawOpen=0.3) + shape(mouthSmileLeft=0.5) - HEAD.mean
    np.testing.assert_allclose(both, alone, atol=1e-6)
    for side, sign in (("Left", 1), ("Right", -1)):
        for unit in ("eyeBlink", "mouthSmile", "browDown", "eyeLookUp"):
            moved = np.linalg.norm(HEAD.expression[HEAD.unit(unit + side)], axis=1)
            assert sign * (HEAD.mean[:, 0] * moved).sum() > 0


@pytest.mark.parametrize("rotation", [(0, 0, 0), (0.2, 0, 0), (-0.2, 0, 0), (0, 0.35, 0), (0, -0.35, 0)])
def test_at_rest_the_lips_meet(rotation):
    assert not np.isin(parts_seen(shape(), rotation), [UPPER_TEETH, LOWER_TEETH, TONGUE, CAVITY]).any()


def test_an_open_jaw_shows_teeth_and_a_cavity():
    seen = parts_seen(shape(jawOpen=0.7))
    assert all((seen == part).any() for part in (UPPER_TEETH, LOWER_TEETH, CAVITY))
    assert np.isin(seen, [UPPER_TEETH, LOWER_TEETH, TONGUE, CAVITY]).sum() > 150


def test_the_jaw_takes_lower_teeth_and_tongue_along_and_leaves_the_upper():
    dropped = HEAD.expression[HEAD.unit("jawOpen")][:, 1]
    assert dropped[owned(LOWER_TEETH)].mean() > 0.01
    assert dropped[owned(TONGUE)].mean() > 0.005
    assert abs(dropped[owned(UPPER_TEETH)]).max() < 1e-4


def test_mouth_close_shuts_an_open_jaw():
    seen = parts_seen(shape(jawOpen=0.5, mouthClose=0.5))
    assert np.isin(seen, [UPPER_TEETH, LOWER_TEETH, TONGUE, CAVITY]).sum() <= 5


def test_a_blink_covers_the_eyes():
    assert (parts_seen(shape()) == EYEBALL).sum() > 60
    assert (parts_seen(shape(eyeBlinkLeft=1, eyeBlinkRight=1)) == EYEBALL).sum() == 0


def test_eyes_look_where_they_are_told():
    pupils = HEAD.landmark_triangle[[468, 473]]  # the person's right, then left
    centres = lambda points: points[HEAD.triangles[pupils]].mean(1)  # noqa: E731
    moved = centres(shape(eyeLookOutLeft=1, eyeLookInRight=1)) - centres(shape())
    assert (moved[:, 0] > 0.003).all()
    moved = centres(shape(eyeLookUpLeft=1, eyeLookUpRight=1)) - centres(shape())
    assert (moved[:, 1] < -0.001).all()


def test_seams_do_not_show():
    apart = HEAD.mean[HEAD.twin] - HEAD.mean
    assert abs(apart).max() < 1e-6
    assert abs(HEAD.expression[:, HEAD.twin] - HEAD.expression).max() < 1e-6
    normals = vertex_normals(HEAD.mean, HEAD.triangles, HEAD.twin)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)


def test_speech_rules_the_mouth_and_not_the_brow():
    assert HEAD.spoken[owned(TONGUE)].min() == HEAD.spoken[owned(LOWER_TEETH)].min() == 1
    assert HEAD.spoken[HEAD.mean[:, 1] < -0.01].max() < 1e-6
    moved = np.linalg.norm(HEAD.expression[HEAD.unit("jawOpen")], axis=1)
    assert HEAD.spoken[moved > 0.02].mean() > 0.9


def test_landmarks_lie_where_their_names_say():
    assert (HEAD.landmark_triangle >= 0).all()
    points = landmarks(HEAD, HEAD.mean)
    right_corner, left_corner, upper, lower, tip, chin = points[[61, 291, 13, 14, 1, 152]]
    assert right_corner[0] < -0.015 < 0.015 < left_corner[0]
    assert points[[33, 133]].mean(0)[0] < 0 < points[[263, 362]].mean(0)[0]
    assert tip[1] < upper[1] <= lower[1] + 0.002 < chin[1]
    opened = landmarks(HEAD, shape(jawOpen=0.5))
    assert opened[14, 1] - opened[13, 1] > 0.008
    assert (HEAD.part[HEAD.landmark_triangle[468:]] == EYEBALL).all()


def test_people_differ_and_stay_finite():
    people = np.stack([neutral(HEAD, np.random.default_rng(k).normal(size=80)) for k in range(4)])
    assert 0.001 < np.linalg.norm(people.std(0), axis=1).mean() < 0.02
    colours = albedo(HEAD, np.random.default_rng(0).normal(size=80))
    assert 0 <= colours.min() <= colours.max() <= 1
