"""What a .blend keeps of Re-TTAC: a scene's jobs, and what is filled in for the next one.

How far a job is lives in errands.py: it is the node's to know, changes ten times a second, and is nobody's to undo.
"""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import scene

JOB_STATES = (
    ("open", "Open", "Is at the node, or its result is not placed yet"),
    ("placed", "Placed", "Its result is in the scene"),
    ("failed", "Failed", "Resume tries again"),
    ("cancelled", "Cancelled", "Resume goes on from where it was"),
)
POSES = (
    ("source", "Of the plate", "Keep the head's moves of the plate"),
    ("predicted", "Predicted", "Move the head as the person moves it with these words"),
)
QUALITIES = (
    ("draft", "Draft", "Minutes: to judge timing and lips"),
    ("final", "Final", "Learns the person longer; to deliver"),
)
SOURCES = (
    ("TEXT", "Text", "Type the line; the person's own voice speaks it"),
    ("SOUND", "Sound Strip", "Use a recorded line, as it is"),
)
EMPTY = "no words"


class RetacJob(bpy.types.PropertyGroup):
    """A job at a node.  `name` is its number."""

    address: StringProperty(description="Of the node that it was asked of")
    order: StringProperty(description="What it was asked for, JSON")
    files: StringProperty(description="The files that belong to it, JSON")
    folder: StringProperty(description="Where its results are")
    label: StringProperty()
    goal: StringProperty()
    submitted: BoolProperty()
    state: EnumProperty(items=JOB_STATES)
    strip: StringProperty(description="Name of the plate's strip")
    head: PointerProperty(type=bpy.types.Object, description="The shot's head")
    line: StringProperty(description="Number of the job whose line a render shows")
    first: IntProperty(description="Scene frame of the first frame that is made")
    stop: IntProperty(description="Scene frame after the replaced range; the same as the first: the line alone")
    origin: IntProperty(description="Scene frame on which the clip's frame 0 stood when the job was asked for")
    mute: BoolProperty(description="Whether the original strips are muted when the result is placed")


def is_head(retac: bpy.types.PropertyGroup, thing: bpy.types.Object) -> bool:
    return not isinstance(scene.shot_of(thing), str)


class RetacScene(bpy.types.PropertyGroup):
    head: PointerProperty(
        type=bpy.types.Object, name="Shot", description="Head of the shot that buttons work on", poll=is_head
    )
    line: StringProperty(description="Number of the line that buttons work on; empty: the newest")
    jobs: CollectionProperty(type=RetacJob)
    job: IntProperty(name="Job", description="The job that buttons work on", options=set())

    source: EnumProperty(name="Line", description="Where the words come from", items=SOURCES)
    text: StringProperty(name="Text", description="The line to be spoken, in English. ⏎ when it is typed")
    sound: StringProperty(name="Sound", description="The sound strip with the recorded line")
    voice: StringProperty(
        name="Voice",
        description="A recording of the voice to speak with. Empty: the clip's own sound",
        subtype="FILE_PATH",
    )
    ranged: BoolProperty(
        name="Replace a Range",
        description="Fit the line into a range of frames and replace exactly those. Off: the line alone, as long as it takes",
        default=True,
    )
    first: IntProperty(name="First", description="First frame that is replaced", default=1)
    last: IntProperty(name="Last", description="Last frame that is replaced", default=50)
    pose: EnumProperty(name="Head", description="Where the head's moves come from", items=POSES)
    quality: EnumProperty(name="Quality", description="How long the person is learnt", items=QUALITIES)
    minutes: FloatProperty(
        name="Training",
        description="Minutes that the last network learns the person. 0: as the quality says",
        min=0,
        max=600,
        precision=1,
    )
    frames: BoolProperty(name="Image Sequence", description="Bring the result back as PNG frames, not as a movie")
    matte: BoolProperty(
        name="Matte", description="Bring the matte of the changed pixels back as a strip of its own, muted"
    )
    mute: BoolProperty(
        name="Mute Original",
        description="Mute picture and sound of the plate when the result is placed above it; its strips stay as they are",
        default=True,
    )
    consent: StringProperty(
        name="Consent",
        description="Reference of the consent under which this person is re-voiced; it goes into the file",
    )
    subject: IntProperty(
        name="Person",
        description="Which person of the picture, 0 the largest. -1: chosen by itself",
        default=-1,
        min=-1,
    )
    lens: FloatProperty(
        name="Lens",
        description="Focal length in mm on a 36 mm film. 0: guessed from the head",
        min=0,
        max=1200,
        default=0,
    )
    seed: IntProperty(name="Seed", description="Another number gives another reading of the line", min=0)


CLASSES = (RetacJob, RetacScene)


def register() -> None:
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.Scene.retac = PointerProperty(type=RetacScene)


def unregister() -> None:
    del bpy.types.Scene.retac
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
