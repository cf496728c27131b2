"""Heads of other makers: read as their files are laid out, in our axes and units, and usable by every stage."""

import json
from dataclasses import replace

import numpy as np
import pytest

from retac_node import assets, config, heads, recipe
from retac_node.data import FaceTrack
from retac_node.errors import BadInput
from retac_node.models.dropins import FORMATS, bfm, flame, ict
from retac_node.models.dropins.convert import convert
from retac_node.models.dropins.fit import owner
from retac_node.models.dropins.obj import polygons
from retac_node.models.dropins.raw import checked
from retac_node.models.dropins.unwrap import overlaps
from retac_node.models.head import (
    CAVITY,
    EYEBALL,
    LOWER_TEETH,
    SKIN,
    UPPER_TEETH,
    albedo,
    landmarks,
    load_head,
    neutral,
    posed,
    vertices,
)
from retac_node.ops.geometry import project
from retac_node.ops.raster import rasterise
from tests import made_heads as made

KINDS = ("bfm", "flame", "ict")
WRITERS = {"bfm": made.write_bfm, "flame": made.write_flame, "ict": made.write_ict}
needs_net = pytest.mark.skipif(not assets.available("face_landmarker"), reason="the landmark net is not here")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """One small model of each kind."""
    root = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        (root / kind).mkdir()
        WRITERS[kind](root / kind)
    return root


@pytest.fixture(scope="session")
def converted(folders):
    """The heads made of them, with fewer views than a user's get."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retac_node.models.dropins.convert.VIEWS", 8)
        return {kind: convert(FORMATS[kind].read(folders / kind), load_head(heads.DEFAULT)) for kind in KINDS}


def unit(head, **activations):
    row = np.zeros((1, len(head.expression)), np.float32)
    for name, value in activations.items():
        row[0, head.unit(name)] = value
    return row


# --- reading


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_in_metres_upright_and_facing_the_camera(folders, kind):
    raw = checked(FORMATS[kind].read(folders / kind))
    assert 0.2 < np.ptp(raw.mean[:, 1]) < 0.35
    nose = raw.mean[raw.mean[:, 2].argmin()]  # nearest to the camera
    middle = raw.mean.mean(0)
    assert abs(nose[0] - middle[0]) < 0.01
    assert raw.identity.shape == (80, *raw.mean.shape)
    assert raw.expression.shape == (64, *raw.mean.shape)
    a, b, c = (raw.mean[raw.triangles[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a) * (a - middle)).sum() > 0


def test_bfm_directions_are_times_their_deviations_and_the_spare_vertices_go(folders):
    raw = bfm.read(folders / "bfm")
    kept = made.cut((SKIN, EYEBALL))[0]
    assert len(raw.mean) == len(kept)
    np.testing.assert_allclose(raw.identity[2] * [1, -1, -1], made.turned(made.HEAD.identity[2, kept]), atol=1e-6)
    np.testing.assert_allclose(raw.albedo_mean, made.HEAD.albedo_mean[kept], atol=1e-6)
    spread = np.linalg.norm(raw.expression) / np.linalg.norm(made.turned(made.HEAD.expression[:, kept]))
    assert spread == pytest.approx(1, abs=1e-3)


def test_bfm_keeps_the_front_where_it_is_listed(folders, tmp_path):
    from scipy.io import savemat

    made.write_bfm(tmp_path)
    savemat(tmp_path / "BFM_front_idx.mat", {"idx": np.arange(1001.0)[:, None] + 1})
    raw = bfm.read(tmp_path)
    assert len(raw.mean) == 1001
    assert raw.triangles.max() <= 1000
    assert len(bfm.files(tmp_path)) == len(bfm.files(folders / "bfm")) + 1


def test_flames_jaw_becomes_two_directions(folders):
    raw = flame.read(folders / "flame")
    opened, aside = raw.expression[-2:]
    lip = np.linalg.norm(opened, axis=1).argmax()
    assert opened[lip, 1] > 0.02  # metres a radian: it drops
    assert aside[np.linalg.norm(aside, axis=1).argmax(), 0] > 0.02  # to the person's left
    assert np.ptp(opened[:, 0]) < 0.01
    eyes = owner(raw.triangles, raw.part, len(raw.mean)) == EYEBALL
    assert np.abs(raw.expression[-2:, eyes]).max() == 0


def test_ict_shapes_have_arkits_names(folders):
    raw = ict.read(folders / "ict")
    assert {"eyeBlinkLeft", "mouthLeft", "browInnerUpRight"} <= set(raw.names)
    assert raw.uv.shape == (len(raw.triangles), 3, 2)
    assert raw.part is None  # not the published topology


def test_polygons_become_fans(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt .5 .25\nf 1/1/1 2/1/1 3/1/1 4/1/1\n")
    mesh = polygons(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.triangles, [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_allclose(mesh.uv, np.broadcast_to([0.5, 0.25], (2, 3, 2)))


def test_the_published_ict_pieces_are_known():
    firsts = np.array(
        [[0, 1, 2], [11248, 11249, 11250], [13294] * 3, [14062] * 3, [17039] * 3, [19247] * 3, [21451] * 3]
    )
    np.testing.assert_array_equal(ict.parts(firsts), [SKIN, CAVITY, SKIN, 4, UPPER_TEETH, LOWER_TEETH, EYEBALL])


# --- what cannot be used


@pytest.mark.parametrize("name", ["01_MorphableModel.mat", "Exp_Pca.bin", "std_exp.txt", "BFM_exp_idx.mat"])
def test_a_missing_bfm_file_is_named(tmp_path, name):
    made.write_bfm(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BadInput, match=name):
        bfm.read(tmp_path)


def test_broken_bfm_files_are_named(tmp_path):
    made.write_bfm(tmp_path)
    (tmp_path / "Exp_Pca.bin").write_bytes(b"\x40\0\0\0abcd")
    with pytest.raises(BadInput, match="not an expression basis"):
        bfm.read(tmp_path)
    (tmp_path / "01_MorphableModel.mat").write_bytes(b"no matrix" * 40)
    with pytest.raises(BadInput, match=r"01_MorphableModel\.mat"):
        bfm.read(tmp_path)


def test_flames_pickle_is_never_opened(tmp_path):
    (tmp_path / "generic_model.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(BadInput, match=r"could run any program.*python -c"):
        flame.read(tmp_path)


def test_objects_in_an_npz_are_never_opened(tmp_path):
    np.savez(tmp_path / "a.npz", **{name: np.array([{}], object) for name in flame.NEEDED})
    with pytest.raises(BadInput, match="cannot be read"):
        flame.read(tmp_path)


def test_an_npz_that_is_not_flame_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **{name: np.zeros((4, 3)) for name in flame.NEEDED})
    with pytest.raises(BadInput, match="is not FLAME"):
        flame.read(tmp_path)


def test_an_ict_file_of_another_length_is_named(folders, tmp_path):
    for name in ("generic_neutral_mesh", "identity000", "jawOpen"):
        (tmp_path / f"{name}.obj").write_bytes((folders / "ict" / f"{name}.obj").read_bytes())
    (tmp_path / "jawOpen.obj").write_text("v 0 0 0\n")
    with pytest.raises(BadInput, match=r"jawOpen\.obj has 1 vertices"):
        ict.read(tmp_path)
    (tmp_path / "jawOpen.obj").unlink()
    with pytest.raises(BadInput, match="no expressions"):
        ict.read(tmp_path)


def test_a_model_of_no_heads_size_is_refused(folders):
    raw = flame.read(folders / "flame")
    with pytest.raises(BadInput, match="which no head is"):
        checked(replace(raw, mean=raw.mean * 100))


# --- the heads they become


@needs_net
@pytest.mark.parametrize("kind", KINDS)
def test_the_head_has_the_sizes_of_the_format(converted, kind):
    head = converted[kind]
    count = len(head.mean)
    assert head.identity.shape == head.albedo.shape == (80, count, 3)
    assert head.expression.shape == (64, count, 3)
    assert head.native.shape == (64, 64)
    assert head.expression_names == made.HEAD.expression_names
    assert head.part.shape == (len(head.triangles),)
    assert 0 <= head.uv.min() <= head.uv.max() <= 1
    assert overlaps(head.uv[head.triangles]) < 0.003
    assert abs(head.mean[head.twin] - head.mean).max() < 1e-6
    assert {SKIN, EYEBALL} <= set(head.part)


@needs_net
@pytest.mark.parametrize("kind", KINDS)
def test_it_stands_where_the_default_head_stands_at_its_own_size(converted, kind):
    own = landmarks(converted[kind], converted[kind].mean)
    true = landmarks(made.HEAD, made.person()) * made.SIZE
    gap = lambda points, a, b: np.linalg.norm(points[a] - points[b])  # noqa: E731
    assert gap(own, 33, 263) == pytest.approx(gap(true, 33, 263), rel=0.03)  # the eyes' outer corners
    assert gap(own, 33, 291) == pytest.approx(gap(true, 33, 291), rel=0.04)  # an eye to the other corner of the mouth
    assert np.linalg.norm(own[168] - landmarks(made.HEAD, made.HEAD.mean)[168]) < 0.015


@needs_net
@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_lie_where_their_names_say(converted, kind):
    points = landmarks(converted[kind], converted[kind].mean)
    right_corner, left_corner, upper, lower, tip, chin = points[[61, 291, 13, 14, 1, 152]]
    assert right_corner[0] < -0.015 < 0.015 < left_corner[0]
    assert points[[33, 133]].mean(0)[0] < 0 < points[[263, 362]].mean(0)[0]
    assert tip[1] < upper[1] <= lower[1] + 0.002 < chin[1]
    opened = landmarks(converted[kind], vertices(converted[kind], np.zeros(80), unit(converted[kind], jawOpen=0.5))[0])
    assert opened[14, 1] - opened[13, 1] > 0.008
    assert points[468:478, 2].max() < -0.04


@needs_net
@pytest.mark.parametrize("kind", KINDS)
def test_units_move_the_right_place_the_right_way(converted, kind):
    head = converted[kind]

    def shift(name, mark):
        return landmarks(head, head.expression[head.unit(name)])[mark]

    assert shift("jawOpen", 199)[1] > 0.01  # the chin drops
    assert abs(shift("jawOpen", 9)[1]) < 0.001  # the forehead does not
    assert shift("mouthSmileLeft", 291)[1] < -0.002 < abs(shift("mouthSmileLeft", 61)[1]) + 0.0035
    assert shift("eyeBlinkLeft", 386)[1] > 0.003  # the person's left upper lid
    assert abs(shift("eyeBlinkLeft", 159)[1]) < 0.002
    assert shift("browInnerUp", 107)[1] < -0.001
    assert shift("eyeLookUpLeft", 473)[1] < -0.001  # the iris


@needs_net
@pytest.mark.parametrize("kind", KINDS)
def test_units_are_mixtures_of_the_models_own_directions(folders, converted, kind):
    head, raw = converted[kind], checked(FORMATS[kind].read(folders / kind))
    skin = np.unique(head.triangles[head.part == SKIN])
    own = np.linalg.norm(np.tensordot(head.native, raw.expression, 1), axis=2)  # (64, V), however the head is turned
    for index in (head.unit("jawOpen"), head.unit("mouthFunnel"), 52):
        moved = np.linalg.norm(head.expression[index, skin], axis=1)
        assert moved.max() == pytest.approx(own[index].max(), rel=1e-3)


@needs_net
@pytest.mark.parametrize("kind", ["bfm", "flame"])
def test_an_open_mouth_does_not_show_the_world_behind_it(converted, kind):
    head = converted[kind]
    for opening, dark in ((0.0, False), (0.7, True)):
        points = vertices(head, np.zeros(80), unit(head, jawOpen=opening))
        camera = posed(points, np.zeros((1, 3)), np.array([[0, -0.047, 0.6]]))[0]
        raster = rasterise(project(camera, 560.0, 256, 256), head.triangles, 256, 256)
        shown = (head.part[raster.triangle] == CAVITY) & (raster.triangle >= 0)
        assert (shown.sum() > 100) == dark


@needs_net
def test_named_shapes_are_taken_as_they_are(converted):
    native = converted["ict"].native
    assert (native[converted["ict"].unit("jawOpen")] == 1).sum() == 1
    assert (native[converted["ict"].unit("browInnerUp")] == 1).sum() == 2


@needs_net
def test_own_colours_are_kept_and_missing_ones_lent(converted):
    skin = albedo(converted["bfm"], np.zeros(80))
    assert np.abs(np.sort(skin[:, 0]) - np.sort(converted["bfm"].albedo_mean[:, 0])).max() < 1e-6
    lips = landmarks(converted["flame"], converted["flame"].albedo_mean)[17]
    cheek = landmarks(converted["flame"], converted["flame"].albedo_mean)[205]
    assert cheek[1] - lips[1] > 0.08  # redder lips
    assert np.abs(converted["flame"].albedo).max() > 0.05


# --- in use


def chosen(monkeypatch, tmp_path, kind, folder):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv(config.ENVIRONMENT, str(tmp_path / "home"))
    (tmp_path / "retac").mkdir()
    (tmp_path / "retac" / "config.yaml").write_text(f"head: {json.dumps({'kind': kind, 'folder': str(folder)})}")


@needs_net
def test_the_settings_choose_the_head_it_is_made_once_and_enters_the_keys(folders, converted, tmp_path, monkeypatch):
    assert heads.path() == heads.DEFAULT
    before = recipe.weight_hash("head.npz")
    chosen(monkeypatch, tmp_path, "flame", folders / "flame")
    monkeypatch.setattr("retac_node.models.dropins.convert.convert", lambda raw, donor: converted["flame"])
    path = heads.path()
    assert path.parent == tmp_path / "home" / "heads"
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert recipe.weight_hash("head.npz") != before
    head = load_head()
    assert head is load_head()
    np.testing.assert_allclose(head.expression, converted["flame"].expression, atol=1e-4)
    np.testing.assert_array_equal(head.native, converted["flame"].native)
    monkeypatch.setattr("retac_node.heads.make", lambda choice, target: pytest.fail("made twice"))
    assert heads.path() == path


def test_a_folder_that_is_not_there_is_named(tmp_path, monkeypatch):
    chosen(monkeypatch, tmp_path, "bfm", tmp_path / "nowhere")
    with pytest.raises(BadInput, match="nowhere"):
        heads.path()


def test_the_257_numbers_are_in_the_models_own_expression():
    rng = np.random.default_rng(0)
    track = FaceTrack(
        identity=np.full(80, 1.0), albedo=np.full(80, 3.0), expression=rng.random((2, 64)), rotation=np.full((2, 3), 5.0),
        translation=np.full((2, 3), 6.0), light=np.full((2, 9, 3), 4.0), focal=500.0, crop_from_frame=np.zeros((2, 2, 3)),
        crop_size=256, landmarks=np.zeros((2, 478, 3)), confidence=np.ones(2), width=64, height=64,
    )  # fmt: skip
    native = rng.random((64, 64))
    row = track.coefficients(native)
    assert row.shape == (2, 257)
    np.testing.assert_allclose(row[:, 80:144], track.expression @ native, rtol=1e-6)
    np.testing.assert_array_equal(
        row[0, [0, 79, 144, 223, 224, 250, 251, 253, 254, 256]], [1, 1, 3, 3, 4, 4, 5, 5, 6, 6]
    )
    np.testing.assert_allclose(track.coefficients()[:, 80:144], track.expression, rtol=1e-6)


@needs_net
@pytest.mark.parametrize("kind", KINDS)
def test_the_solve_works_with_it(converted, kind):
    """Shown the landmarks of a moving head of its own, it finds them again."""
    from retac_node.models.landmarks3d import landmark_basis
    from retac_node.ops.solve import Observed, solve

    head = converted[kind]
    basis = landmark_basis(head)
    frames = 8
    wave = np.sin(np.arange(frames) / 2)
    expression = np.zeros((frames, 64), np.float32)
    expression[:, head.unit("jawOpen")] = 0.3 + 0.25 * wave
    rotation = np.stack([0.05 * wave, 0.2 * wave, 0 * wave], 1)
    points = posed(vertices(head, np.zeros(80), expression), rotation, np.tile([0.0, 0, 0.7], (frames, 1)))
    seen = project(landmarks(head, points), 768.0, 512, 512).astype(np.float32)[:, basis.index]
    none = np.zeros((frames, 64), np.float32)
    asked = Observed(np.nan_to_num(seen), np.ones(frames, np.float32), none, none[0], 512, 512)
    found = solve(basis, asked, lambda fraction: None)
    assert found.error.mean() < 2.5  # percent of the distance between the eyes; real landmarks slide, these do not
    assert np.corrcoef(found.expression[:, head.unit("jawOpen")], wave)[0, 1] > 0.95
    assert np.abs(found.rotation - rotation).max() < 0.08  # seen by eight views, .055 to .063 from run to run
    assert neutral(head, found.identity).shape == head.mean.shape
