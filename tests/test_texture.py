"""The texture of a head: found again from views of it, whatever the light; and where it is painted over frames."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from retac_node.data import F32, U8, FaceTrack
from retac_node.models import skin
from retac_node.models.head import SKIN, Head, load_head, posed
from retac_node.models.puppet import Ask, draw_one, places, rig
from retac_node.ops import texture
from retac_node.ops.appearance import explain, fit_light
from retac_node.ops.geometry import project, rotation_matrix
from retac_node.ops.light import even_light, sh_basis
from retac_node.ops.raster import interpolate, rasterise, vertex_normals
from retac_node.ops.texture import Mesh, View, gather, read

SIZE, FOCAL, SIDE = 320, 2.35 * 320, 256
TURNS = (-0.7, -0.35, 0.0, 0.35, 0.7)  # yaw, radians
PLACE = np.array([0, 0, 0.72], np.float32)


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def pattern(uv: F32) -> F32:
    """Paints albedo in waves over texture space."""
    waves = [np.sin(uv[..., 0] * 40 + k) * np.cos(uv[..., 1] * 30 - k) for k in range(3)]
    return (0.5 + 0.2 * np.stack(waves, -1)).astype(np.float32)


def lit_from(side: float) -> F32:
    light = even_light(0.8)
    light[3] += 0.5 * side  # along x
    return light


def view(head: Head, turn: float, light: F32) -> View:
    rotation, translation = np.array([[0, turn, 0]], np.float32), PLACE[None]
    points = posed(head.mean[None], rotation, translation)[0]
    normals = vertex_normals(points, head.triangles, head.twin)
    at = project(points, FOCAL, SIZE, SIZE).astype(np.float32)
    shading = (sh_basis(normals) @ light).astype(np.float32)
    raster = rasterise(at, head.triangles, SIZE, SIZE)
    drawn = interpolate(raster, head.triangles, np.concatenate([head.uv, shading], 1))
    picture = pattern(drawn[..., :2]) * drawn[..., 2:] * (raster.triangle >= 0)[..., None]
    rgb = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return View(rgb, at, skin.facing(points, normals), shading, 1.0)


def found(head: Head, views: list[View]) -> tuple[U8, U8]:
    mesh = Mesh(head.uv, head.triangles, head.twin, head.part == SKIN)
    return gather(views, mesh, np.full_like(head.mean, 0.5), SIDE)


def decibels(sheet: U8, confidence: U8) -> float:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    truth = pattern(np.stack([columns, rows], -1) / SIDE)
    off = (sheet / 255 - truth)[confidence > 250]
    return float(-10 * np.log10((off**2).mean()))


def test_a_texture_is_found_again_from_views_in_changing_light(head: Head) -> None:
    views = [view(head, turn, lit_from(np.sign(turn))) for turn in TURNS]
    sheet, confidence = found(head, views)
    assert (confidence > 250).mean() > 0.25
    assert decibels(sheet, confidence) > 30


def test_light_that_is_not_divided_out_shows(head: Head) -> None:
    views = [view(head, turn, lit_from(1.0)) for turn in TURNS]
    blind = [View(one.picture, one.at, one.facing, np.full_like(one.shading, 0.8), 1.0) for one in views]
    assert decibels(*found(head, views)) > decibels(*found(head, blind)) + 6


def test_what_passes_in_front_of_one_view_is_left_out(head: Head) -> None:
    views = [view(head, turn, lit_from(0.0)) for turn in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    views[2].picture[SIZE // 2 :, : SIZE // 2] = (0, 255, 0)
    assert decibels(*found(head, views)) > 25


def test_a_blurred_view_counts_less(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [view(head, turn, lit_from(0.0)) for turn in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    for one in views[:2]:
        one.picture[:] = cv2.GaussianBlur(one.picture, (0, 0), 5)
    sharp = decibels(*found(head, views))
    monkeypatch.setattr(texture, "contrast", lambda picture: np.ones(picture.shape[:2], np.float32))
    assert sharp > decibels(*found(head, views)) + 2


def test_a_view_that_is_a_little_off_is_brought_into_place(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [view(head, turn, lit_from(0.0)) for turn in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    off = [replace(one, at=one.at + np.array([(-1) ** n * 1.5, 0, 0], np.float32)) for n, one in enumerate(views)]
    twice = decibels(*found(head, off))
    monkeypatch.setattr(texture, "READINGS", 1)
    assert twice > decibels(*found(head, off)) + 1


def test_seams_do_not_show(head: Head) -> None:
    sheet, _ = found(head, [view(head, turn, lit_from(turn)) for turn in (-0.4, 0.0, 0.4)])
    colour = read(sheet, head.uv * SIDE)  # (V, 3)
    skinny = np.isin(np.arange(len(head.mean)), head.triangles[head.part == SKIN])
    seam = np.flatnonzero((head.twin != np.arange(len(head.mean))) & skinny & skinny[head.twin])
    edge = np.concatenate([head.triangles[head.part == SKIN][:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    across = np.abs(colour[seam] - colour[head.twin[seam]]).mean()
    assert len(seam) > 50
    assert across <= np.abs(colour[edge[:, 0]] - colour[edge[:, 1]]).mean()


def test_light_is_told_from_skin_that_the_model_does_not_know() -> None:
    random = np.random.default_rng(0)
    normals = random.normal(size=(400, 3)) * [1, 1, 0.3] - [0, 0, 1]
    normals = np.stack([normals @ rotation_matrix(np.array([0, turn, 0])) for turn in np.linspace(-0.5, 0.5, 12)])
    normals = (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)
    beard = np.where(normals[6, :, :1] > 0.7, 0.15, 0.6) * np.ones((400, 3), np.float32)
    light = np.stack([lit_from(0.3)] * 12)
    colour = (beard * (sh_basis(normals) @ light)).astype(np.float32)
    model = np.full((400, 3), 0.6, np.float32)
    visible, basis = np.ones((12, 400), np.float32), sh_basis(normals).astype(np.float32)
    got, _ = explain(colour, normals, visible, model, np.zeros((1, 400, 3), np.float32), 1.0)
    naive = fit_light(colour, basis, visible, model)
    off, off_naive = ((basis @ found / (basis @ light)).std() for found in (got, naive))
    assert off < 0.9 * off_naive


def test_unseen_texels_are_filled(head: Head) -> None:
    sheet, confidence = found(head, [view(head, 0.0, lit_from(0.0))])
    back = confidence == 0
    assert 0.1 < back.mean() < 0.95
    assert sheet[back].min() > 40
    assert sheet[back].max() < 220


def still(head: Head) -> FaceTrack:
    """One frame of a head that looks at the camera."""
    none = np.zeros((1, 3), np.float32)
    return FaceTrack(
        np.zeros(len(head.identity), np.float32), np.zeros(len(head.albedo), np.float32),
        np.zeros((1, len(head.expression)), np.float32), none, PLACE[None], even_light()[None], FOCAL,
        np.eye(2, 3, dtype=np.float32)[None], SIZE, np.zeros((1, 478, 3), np.float32), np.ones(1, np.float32), SIZE, SIZE,
    )  # fmt: skip


def test_the_plates_own_pose_needs_no_paint_and_another_does(head: Head) -> None:
    track = still(head)
    look = skin.look(head, track, np.full((512, 512, 3), 128, np.uint8), np.full((512, 512), 255, np.uint8))
    assert not skin.skin(look, track, 0, track.rotation[0], track.translation[0], 0.1, 0.1).needed
    turned = skin.skin(look, track, 0, np.array([0, 0.3, 0], np.float32), track.translation[0], 0.1, 0.1)
    side = np.sign(head.mean[turned.fresh > 0.5, 0].mean())
    assert turned.needed
    assert (head.mean[turned.fresh > 0.5, 0] * side > 0).mean() > 0.9, "one side of the head comes into view"


def test_a_mouth_wider_than_any_frame_shows_the_models_own_inside(head: Head) -> None:
    track, body = still(head), rig(head)
    wide = np.zeros((1, len(head.expression)), np.float32)
    wide[0, head.unit("jawOpen")] = 0.9
    gap = float(skin.lip_gap(head, track.identity, wide)[0])
    closed = float(skin.lip_gap(head, track.identity, track.expression)[0])
    look = skin.look(head, track, np.full((512, 512, 3), 30, np.uint8), np.zeros((512, 512), np.uint8))
    pose = track.rotation, track.translation
    at = [places(body, track, shape, *pose, track.crop_from_frame)[0] for shape in (track.expression, wide)]
    plate = np.full((SIZE, SIZE, 3), 200, np.uint8)
    x, y = at[1][-20:, :2].mean(0).astype(int)
    for own_gap, inside in ((gap, 200), (closed, 30)):
        cover = skin.skin(look, track, 0, pose[0][0], pose[1][0], gap, own_gap)
        drawn = draw_one(body, Ask(plate, at[0], at[1], (plate,), (at[0],), np.ones(1, np.float32), cover))
        assert abs(int(drawn.rgb[y, x].mean()) - inside) < 30
