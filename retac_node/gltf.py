"""Writes a solved, talking head as one glTF 2.0 binary file.  The only place that turns our axes into glTF's.

glTF is y up and z towards the viewer, and its camera looks along -z: from our camera space y and z change their sign,
which is a turn about x, so triangles keep their winding.  https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32, U8, FaceTrack
from retac_node.models.head import Head, neutral
from retac_node.ops.raster import vertex_normals

FLIP = np.array([1, -1, -1], np.float32)  # a vector or a turn's axis, ours -> glTF's
FLOAT, UINT = 5126, 5125  # component types
VERTICES, INDICES = 34962, 34963  # buffer targets
KINDS = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4"}  # shape of an element -> its name
LINEAR, MIPMAPPED, CLAMP = 9729, 9987, 33071  # how the texture is read between texels and beyond its edge
SKIN = {"metallicFactor": 0, "roughnessFactor": 0.8}  # lit by the scene: the texture has no light in it


@dataclass
class Buffer:
    """The binary chunk as it grows, and the tables that say where what lies in it."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, array: NDArray[Any], target: int | None = None) -> int:
        """Appends (n, ...) floats or indices; gives the number of its accessor."""
        kind = np.uint32 if np.issubdtype(array.dtype, np.integer) else np.float32
        array = np.ascontiguousarray(array, kind)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += array.tobytes()  # of 4-byte numbers, so that what follows stays aligned
        rows = array.reshape(len(array), -1)
        self.accessors.append(
            {
                "bufferView": len(self.views) - 1,
                "componentType": UINT if kind is np.uint32 else FLOAT,
                "count": len(array),
                "type": KINDS[array.shape[1:]],
                "min": rows.min(0).tolist(),
                "max": rows.max(0).tolist(),
            }
        )
        return len(self.accessors) - 1

    def add_file(self, file: bytes) -> int:
        """Appends a file as it is; gives the number of its view."""
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(file)})
        self.data += file + b"\0" * (-len(file) % 4)
        return len(self.views) - 1


def head_glb(head: Head, track: FaceTrack, fps: float, texture: U8) -> bytes:
    """Makes the file: the person's mesh and texture, a morph target for each unit, its motion, the camera that saw it.

    texture (h, w, 3) is the albedo, RGB as stored (sRGB), laid out by the head's uv.
    """
    buffer = Buffer()
    picture = buffer.add_file(png(texture))
    mesh = head_mesh(buffer, head, track)
    animation = head_animation(buffer, track, fps)
    lens = {
        "yfov": float(2 * np.arctan(track.height / 2 / track.focal)),
        "aspectRatio": track.width / track.height,
        "znear": 0.01,
    }
    tree = {
        "asset": {"version": "2.0", "generator": "Re-TTAC"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": "head", "mesh": 0}, {"name": "camera", "camera": 0}],
        "cameras": [{"type": "perspective", "perspective": lens}],
        "meshes": [mesh],
        "materials": [{"name": "skin", "pbrMetallicRoughness": SKIN | {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": LINEAR, "minFilter": MIPMAPPED, "wrapS": CLAMP, "wrapT": CLAMP}],
        "images": [{"name": "albedo", "mimeType": "image/png", "bufferView": picture}],
        "animations": [animation],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return binary(tree, bytes(buffer.data))


def head_mesh(buffer: Buffer, head: Head, track: FaceTrack) -> dict[str, Any]:
    shape = neutral(head, track.identity)  # (V, 3)
    normals = vertex_normals(shape, head.triangles, head.twin)
    attributes = {
        "POSITION": buffer.add(shape * FLIP, VERTICES),
        "NORMAL": buffer.add(normals * FLIP, VERTICES),
        "TEXCOORD_0": buffer.add(head.uv, VERTICES),
    }
    targets = [{"POSITION": buffer.add(offset * FLIP, VERTICES)} for offset in head.expression]  # each (V, 3)
    indices = buffer.add(head.triangles.reshape(-1), INDICES)
    return {
        "name": "head",
        "primitives": [{"attributes": attributes, "indices": indices, "material": 0, "targets": targets}],
        "weights": [0.0] * len(targets),
        "extras": {"targetNames": list(head.expression_names)},
    }


def head_animation(buffer: Buffer, track: FaceTrack, fps: float) -> dict[str, Any]:
    """Keys of weights, rotation and translation at each frame."""
    times = buffer.add(np.arange(len(track.expression)) / fps)  # (T,) seconds
    values = {
        "weights": track.expression.reshape(-1),  # (T * E,)
        "rotation": quaternions(track.rotation * FLIP),
        "translation": track.translation * FLIP,
    }
    return {
        "name": "performance",
        "samplers": [{"input": times, "output": buffer.add(array)} for array in values.values()],
        "channels": [{"sampler": n, "target": {"node": 0, "path": path}} for n, path in enumerate(values)],
    }


def quaternions(axis_angle: F32) -> F32:
    """Turns (T, 3) radians into (T, 4) x, y, z, w, each on the side of the one before it."""
    angle = np.linalg.norm(axis_angle, axis=1, keepdims=True)  # (T, 1)
    turned = np.concatenate([axis_angle * np.sinc(angle / (2 * np.pi)) / 2, np.cos(angle / 2)], 1)
    side = np.where((turned[1:] * turned[:-1]).sum(1) < 0, -1, 1)
    turned[1:] *= np.cumprod(side)[:, None]
    return np.asarray(turned, np.float32)


def png(picture: U8) -> bytes:
    """Packs RGB (h, w, 3)."""
    return bytes(cv2.imencode(".png", picture[..., ::-1])[1])


def binary(tree: dict[str, Any], data: bytes) -> bytes:
    """Joins the JSON and the binary chunk, each padded to four bytes."""
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
