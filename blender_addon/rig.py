"""Builds what a solve brings: rig, camera with the clip behind it, head with its units, solved curves, marks.

Built again for the same plate it replaces what it built, and leaves the lines and everything else alone.
"""

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import axes, channels, compat, curves
from .plates import Plate
from .shots import SOLVED, Shot, keep, put_markers, shots, take_markers
from .solved import DOUBT, ShotData
from .steps import Steps, at_once, part
from .timing import FEW, markers, quoted

SHAPES = 8  # units that are added in one step
DEPTH = 0.01, 100.0  # metres: what the camera sees


def building(scene: Any, plate: Plate, data: ShotData) -> Steps[Shot]:
    """Builds the shot in small steps."""
    old = next(
        (shot for shot in shots(scene) if shot.plate_strip == plate.strip and shot.path == str(plate.path)), None
    )
    if old is not None and not fits(old, data):
        remove_shot(scene, old)
        old = None
    name = plate.path.stem
    head, camera = (old.head, old.camera) if old else (None, None)
    if head is None:
        head = yield from part(building_head(scene, name, data), 0.0, 0.1)
        for first in range(0, len(data.names), SHAPES):
            add_shapes(head, data, first)
            yield 0.1 + 0.5 * first / len(data.names)
    else:
        reshape(head, data)
        yield 0.5
    dress(head, name, data.texture)
    yield 0.7
    camera = camera or new_camera(head, name)
    aim(camera.data, scene, plate, data)
    yield 0.8
    if old:
        take_markers(scene, old.marks)
    channels.make_room(head.data.shape_keys, data.names, data.expression)
    yield from part(key_solved(head, name, plate.origin, data), 0.8, 0.95)
    marks = put_markers(scene, [*doubts(plate.origin, data.confidence), *spoken(plate, data)])
    lines = old.lines if old else ()
    made = Shot(head, camera, name, plate.strip, str(plate.path), plate.origin, len(data.expression), data.fps, data.size,
                marks, lines)  # fmt: skip
    return keep(made)


build_shot = at_once(building)


def fits(shot: Shot, data: ShotData) -> bool:
    """Says whether the new head is the old one in another shape."""
    keys = shot.head.data.shape_keys
    return len(shot.head.data.vertices) == len(data.vertices) and channels.unit_names(keys) == data.names


def building_head(scene: Any, name: str, data: ShotData) -> Steps[Any]:
    mesh = yield from part(meshing(name, data), 0.0, 0.9)
    collection = bpy.data.collections.new(f"Re-TTAC {name}")
    scene.collection.children.link(collection)
    rig = bpy.data.objects.new(f"{name} rig", None)  # moves camera and head together; nothing is solved on it
    rig.empty_display_size = 0.1
    head = bpy.data.objects.new(f"{name} head", mesh)
    head.parent, head.rotation_mode = rig, axes.ORDER
    collection.objects.link(rig)
    collection.objects.link(head)
    head.shape_key_add(name="Basis", from_mix=False)
    return head


def meshing(name: str, data: ShotData) -> Steps[Any]:
    """Makes the mesh; its layers are written as attributes, which is a memory copy."""
    mesh, count = bpy.data.meshes.new(f"{name} head"), len(data.triangles)
    mesh.vertices.add(len(data.vertices))
    mesh.loops.add(count * 3)
    mesh.polygons.add(count)
    mesh.attributes["position"].data.foreach_set("vector", data.vertices.ravel())
    mesh.attributes[".corner_vert"].data.foreach_set("value", data.triangles.ravel())
    yield 0.3
    mesh.polygons.foreach_set("loop_start", np.arange(0, count * 3, 3, dtype=np.int32))
    yield 0.5
    mesh.update(calc_edges=True)
    yield 0.9
    layer = mesh.uv_layers.new(name="UVMap")
    mesh.attributes[layer.name].data.foreach_set("vector", data.uv.ravel())
    return mesh


def add_shapes(head: Any, data: ShotData, first: int) -> None:
    for name, shape in zip(data.names[first : first + SHAPES], data.shapes[first : first + SHAPES], strict=True):
        head.shape_key_add(name=name, from_mix=False).points.foreach_set("co", shape.ravel())


def reshape(head: Any, data: ShotData) -> None:
    blocks = head.data.shape_keys.key_blocks
    head.data.vertices.foreach_set("co", data.vertices.ravel())
    for block, shape in zip(blocks, [data.vertices, *data.shapes], strict=True):
        block.points.foreach_set("co", shape.ravel())
    head.data.update()


def dress(head: Any, name: str, texture: Path) -> None:
    """Gives the head its skin; the picture is packed into the file."""
    image = bpy.data.images.load(str(texture))
    image.name = f"{name} skin"
    image.pack()
    if head.data.materials:
        node = next(node for node in head.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE")
        node.image, old = image, node.image
        bpy.data.images.remove(old)
        return
    material = bpy.data.materials.new(f"{name} skin")
    tree = compat.node_tree(material)
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image, node.extension, node.location = image, "EXTEND", (-300, 300)
    tree.nodes.active = node  # the one that Workbench shows
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.8
    tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    head.data.materials.append(material)


def new_camera(head: Any, name: str) -> Any:
    camera = bpy.data.objects.new(f"{name} camera", bpy.data.cameras.new(f"{name} camera"))
    camera.parent, camera.rotation_euler = head.parent, axes.CAMERA_TURN
    head.users_collection[0].objects.link(camera)
    return camera


def aim(lens: Any, scene: Any, plate: Plate, data: ShotData) -> None:
    """Has the camera see what the plate's saw, with the clip behind; lines up whatever the scene's picture size is."""
    width, height = data.size
    longer = max(width, height)
    lens.sensor_width, lens.sensor_height = axes.FILM * width / longer, axes.FILM * height / longer
    lens.lens = axes.lens_mm(data.focal, longer)
    lens.clip_start, lens.clip_end = DEPTH
    fit(lens, scene, data.size)
    lens.show_background_images = True
    behind = lens.background_images[0] if lens.background_images else lens.background_images.new()
    if behind.clip is None:
        behind.source, behind.clip = "MOVIE_CLIP", bpy.data.movieclips.load(str(plate.path))
    behind.clip.frame_start = plate.origin
    behind.frame_method = "FIT"


def fit(lens: Any, scene: Any, size: tuple[int, int]) -> None:
    """Lays the plate into the scene's picture as the background's "fit" does: whole, with bars where the shapes differ."""
    render = scene.render
    shape = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    lens.sensor_fit = "VERTICAL" if shape > size[0] / size[1] else "HORIZONTAL"


def key_solved(head: Any, name: str, origin: int, data: ShotData) -> Steps[None]:
    """Keys each frame in the action of the clip's own motion; frames in doubt have keys of another colour."""
    owners = head, head.data.shape_keys
    sheets = solved_sheets(head)
    if sheets is None:
        sheets = compat.new_sheets(f"{name} solved", owners)
        for owner, sheet in zip(owners, sheets, strict=True):
            sheet.action[SOLVED] = True
            sheet.action.use_fake_user = True
            compat.play(owner, sheet)
    frames = origin + np.arange(len(data.expression))
    kinds = np.where(data.confidence < DOUBT, compat.DOUBTED, compat.PLAIN)
    rows = channels.table(data.rotation, data.translation, data.expression)
    yield from channels.writing(sheets, data.names, frames, rows, kinds)
    head["confidence"] = 1.0  # shown in the Graph Editor below the pose
    curve = sheets[0].curves.find('["confidence"]') or compat.new_curve(sheets[0], '["confidence"]', 0, "Solve")
    compat.set_keys(curve, frames, data.confidence)


def solved_sheets(head: Any) -> tuple[compat.Sheet, ...] | None:
    """Gives the curves of the clip's own motion, of head and units; None where they are gone."""
    found = []
    for owner in (head, head.data.shape_keys):
        animation = owner.animation_data
        if animation is None:
            return None
        strips = [strip for track in animation.nla_tracks for strip in track.strips]
        places = [(item.action, sheet) for item in strips if (sheet := compat.strip_sheet(item))]
        if (active := compat.active_sheet(animation)) is not None:
            places.append((animation.action, active))
        found += [sheet for action, sheet in places if SOLVED in action][:1]
    return tuple(found) if len(found) == 2 else None


def doubts(origin: int, confidence: np.ndarray) -> list[tuple[str, int]]:
    """Gives a marker at the start and at the end of each run of frames whose head is guessed."""
    marks: list[tuple[str, int]] = []
    for start, stop in curves.runs(confidence < DOUBT):
        marks.append((f"head unsure ({stop - start})", origin + start))
        if stop < len(confidence):
            marks.append(("head sure", origin + stop))
    return marks


def spoken(plate: Plate, data: ShotData) -> list[tuple[str, int]]:
    """Gives markers of what the clip says in the part that its strip shows: words, and phonemes where they are few."""
    few = data.said.phonemes if len(data.said.phonemes) <= FEW else ()
    every = markers(quoted(data.said), plate.origin, data.fps, few)
    return [(name, frame) for name, frame in every if plate.first <= frame < plate.last]


def remove_shot(scene: Any, shot: Shot) -> None:
    """Takes away what `build_shot` built; actions stay, for they may have been edited."""
    take_markers(scene, shot.marks)
    collection, rig, skins = shot.collection, shot.head.parent, list(shot.head.data.materials)
    for thing in [thing for thing in (shot.head, shot.camera, rig) if thing is not None]:
        data = thing.data
        bpy.data.objects.remove(thing)
        if data is not None and not data.users:
            (bpy.data.meshes if isinstance(data, bpy.types.Mesh) else bpy.data.cameras).remove(data)
    for skin in [skin for skin in skins if skin is not None and not skin.users]:
        images = [node.image for node in skin.node_tree.nodes if node.type == "TEX_IMAGE" and node.image]
        bpy.data.materials.remove(skin)
        for image in [image for image in images if not image.users]:
            bpy.data.images.remove(image)
    if collection is not None and not collection.all_objects and collection != scene.collection:
        bpy.data.collections.remove(collection)
