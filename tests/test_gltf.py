"""The head as glTF: what a viewer would read and show from the file."""

import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh

from retac_node.gltf import head_glb, quaternions
from retac_node.models.head import load_head, posed, vertices
from retac_node.ops.geometry import project, rotation_matrix
from tests.fake_dub import face_track

FRAMES, WIDTH, HEIGHT, FPS = 5, 320, 180, 25.0
TEXTURE = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)  # 9 x 8 texels: a file of odd length
WIDE = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Viewer:
    """Reads the file as the specification says."""

    def __init__(self, file: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", file)
        assert (magic, version, length) == (b"glTF", 2, len(file))
        size, kind = struct.unpack_from("<I4s", file, 12)
        assert (kind, size % 4) == (b"JSON", 0)
        self.tree = json.loads(file[20 : 20 + size])
        rest, kind = struct.unpack_from("<I4s", file, 20 + size)
        assert (kind, rest % 4, 28 + size + rest) == (b"BIN\0", 0, len(file))
        self.data = file[28 + size :]

    def array(self, number: int) -> np.ndarray:
        accessor = self.tree["accessors"][number]
        view = self.tree["bufferViews"][accessor["bufferView"]]
        dtype = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
        flat = np.frombuffer(self.data, dtype, view["byteLength"] // 4, view["byteOffset"])
        array = flat.reshape(accessor["count"], WIDE[accessor["type"]])
        assert np.allclose(array.min(0), accessor["min"])
        assert np.allclose(array.max(0), accessor["max"])
        return array

    def animated(self) -> dict[str, np.ndarray]:
        (animation,) = self.tree["animations"]
        outputs = {c["target"]["path"]: animation["samplers"][c["sampler"]]["output"] for c in animation["channels"]}
        return {path: self.array(number) for path, number in outputs.items()}


@pytest.fixture(scope="module")
def track() -> Any:
    return face_track(FRAMES, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def viewer(track: Any) -> Viewer:
    return Viewer(head_glb(load_head(), track, FPS, TEXTURE))


def test_another_reader_finds_the_same_mesh(track: Any, tmp_path: Path) -> None:
    (tmp_path / "head.glb").write_bytes(head_glb(load_head(), track, FPS, TEXTURE))
    (mesh,) = trimesh.load(tmp_path / "head.glb", process=False).geometry.values()
    assert len(mesh.vertices) == len(load_head().mean)
    assert len(mesh.faces) == len(load_head().triangles)


def test_the_file_shows_every_vertex_where_the_solve_put_it(viewer: Viewer, track: Any) -> None:
    (primitive,) = viewer.tree["meshes"][0]["primitives"]
    rest = viewer.array(primitive["attributes"]["POSITION"])
    targets = np.stack([viewer.array(target["POSITION"]) for target in primitive["targets"]])  # (E, V, 3)
    keys, frame = viewer.animated(), 3
    shape = rest + np.tensordot(keys["weights"].reshape(FRAMES, 64)[frame], targets, 1)
    x, y, z, w = keys["rotation"][frame]
    turn = np.array([x, y, z]) * 2 * np.arctan2(np.linalg.norm([x, y, z]), w) / np.linalg.norm([x, y, z])
    points = shape @ rotation_matrix(turn).T + keys["translation"][frame]
    lens = viewer.tree["cameras"][0]["perspective"]
    scale = 1 / np.tan(lens["yfov"] / 2) / -points[:, 2]  # the camera looks along -z
    pixels = np.stack(
        [points[:, 0] * scale * HEIGHT / 2 + WIDTH / 2, HEIGHT / 2 - points[:, 1] * scale * HEIGHT / 2], 1
    )
    one = slice(frame, frame + 1)
    ours = posed(
        vertices(load_head(), track.identity, track.expression[one]), track.rotation[one], track.translation[one]
    )
    assert np.allclose(pixels, project(ours[0], track.focal, WIDTH, HEIGHT)[:, :2], atol=1e-2)
    assert lens["aspectRatio"] == WIDTH / HEIGHT


def test_targets_bear_the_names_of_the_units_and_keys_the_clip_s_times(viewer: Viewer) -> None:
    mesh = viewer.tree["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(load_head().expression_names)
    sampler = viewer.tree["animations"][0]["samplers"][0]
    assert np.allclose(viewer.array(sampler["input"])[:, 0], np.arange(FRAMES) / FPS)


def test_triangles_and_normals_face_outwards(viewer: Viewer) -> None:
    (primitive,) = viewer.tree["meshes"][0]["primitives"]
    places, normals = (viewer.array(primitive["attributes"][name]) for name in ("POSITION", "NORMAL"))
    a, b, c = (places[viewer.array(primitive["indices"])[corner::3, 0]] for corner in range(3))
    across = np.cross(b - a, c - a)
    meant = normals[viewer.array(primitive["indices"])[::3, 0]]
    assert ((across * meant).sum(1) > 0)[np.linalg.norm(across, axis=1) > 1e-9].mean() > 0.95
    assert meant[np.argmax(a[:, 2])][2] > 0  # the nose looks at the viewer


def test_the_texture_is_the_skins_colour_and_comes_back_to_the_bit(viewer: Viewer) -> None:
    (image,), (texture,), (material,) = (viewer.tree[name] for name in ("images", "textures", "materials"))
    assert texture["source"] == material["pbrMetallicRoughness"]["baseColorTexture"]["index"] == 0
    view = viewer.tree["bufferViews"][image["bufferView"]]
    file = np.frombuffer(viewer.data, np.uint8, view["byteLength"], view["byteOffset"])
    np.testing.assert_array_equal(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1], TEXTURE)
    (primitive,) = viewer.tree["meshes"][0]["primitives"]
    assert "COLOR_0" not in primitive["attributes"]  # it would be multiplied in
    np.testing.assert_array_equal(viewer.array(primitive["attributes"]["TEXCOORD_0"]), load_head().uv)


def test_every_number_lies_on_a_multiple_of_four(viewer: Viewer) -> None:
    assert all(view["byteOffset"] % 4 == 0 for view in viewer.tree["bufferViews"])


def test_targets_are_named_as_the_units(viewer: Viewer) -> None:
    names = viewer.tree["meshes"][0]["extras"]["targetNames"]
    assert names == list(load_head().expression_names)
    assert {"jawOpen", "eyeBlinkLeft", "extra12"} <= set(names)


def test_a_turn_through_half_a_circle_keeps_its_side() -> None:
    angles = np.linspace(3.0, 3.3, 7)
    wrapped = np.where(angles > np.pi, angles - 2 * np.pi, angles)
    turned = quaternions(np.outer(wrapped, [0, 1, 0]).astype(np.float32))
    assert ((turned[1:] * turned[:-1]).sum(1) > 0.99).all()
    assert np.allclose(quaternions(np.zeros((1, 3), np.float32)), [[0, 0, 0, 1]])
