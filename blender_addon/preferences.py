"""What the add-on is set to: the node's address, the key, the program of a local node, and where results go."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

ADDRESS = "tcp://127.0.0.1:7420"


def reconnect(preferences: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    from . import inbox

    inbox.reconnect()


class RetacPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    address: StringProperty(
        name="Node",
        description="Address of the render node, tcp://HOST:PORT. A node on this machine is at tcp://127.0.0.1:7420",
        default=ADDRESS,
        update=reconnect,
    )
    key_file: StringProperty(
        name="Key",
        description="Your key file, made on the node with `retac keys new NAME`. A node on this machine needs none",
        subtype="FILE_PATH",
        update=reconnect,
    )
    program: StringProperty(
        name="Program",
        description="The program `retac` of this machine, for a local node. Empty: the one that the system finds by its name",
        subtype="FILE_PATH",
    )
    folder: StringProperty(
        name="Results",
        description="Folder for heads, voices and shots. Empty: `retac` beside the .blend file",
        subtype="DIR_PATH",
    )
    escape: BoolProperty(
        name="Esc cancels the job that was begun last",
        description="What was finished is kept: Resume goes on from there",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        from . import panels

        panels.draw_preferences(self.layout, self)


def preferences() -> RetacPreferences:
    return bpy.context.preferences.addons[__package__].preferences


def results(name: str) -> Path:
    """Gives the folder for the results of something of that name, absolute; does not make it."""
    chosen = preferences().folder
    if chosen:
        return Path(bpy.path.abspath(chosen)).absolute() / name
    if bpy.data.filepath:
        return Path(bpy.data.filepath).parent / "retac" / name
    return Path(bpy.utils.user_resource("DATAFILES", path="retac")) / name


def register() -> None:
    bpy.utils.register_class(RetacPreferences)


def unregister() -> None:
    bpy.utils.unregister_class(RetacPreferences)
