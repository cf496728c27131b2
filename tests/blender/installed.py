"""Installs the built zip into an empty profile and takes a shot through it.  A program: ZIP ADDRESS CLIP FOLDER.

Runs with BLENDER_USER_RESOURCES in a temporary folder and without the project on Python's path; ends with a line of JSON.
"""

import importlib
import json
import os
import sys
import threading
from pathlib import Path

import bpy

addon_utils = importlib.import_module("addon_utils")  # Blender's; there once bpy is
NAME = "bl_ext.user_default.retac"


def main(package: str, address: str, clip: str, folder: str) -> dict:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    inbox = importlib.import_module(f"{NAME}.inbox")
    settings = bpy.context.preferences.addons[NAME].preferences
    settings.address, settings.folder = address, f"{folder}/results"
    assert inbox.wait(lambda: inbox.link().state == "connected", 300), inbox.link()
    told = {"brought": [sys.modules[name].__file__ for name in ("zmq", "msgspec")]}
    line(clip)
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/shot.blend")
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=f"{folder}/shot.blend")
    bpy.ops.retac.offset_scale(group="Head turn", first=15, last=20, offset=8.0)
    bpy.ops.retac.render()
    retac = bpy.context.scene.retac
    told["jobs"] = [[job.goal, job.state] for job in retac.jobs]
    told["sent"] = sorted(json.loads(retac.jobs[-1].files))
    told["warnings"] = addon_utils._extensions_warnings_get().get(NAME, [])
    addon_utils.disable(NAME, default_set=True)
    told["threads"] = [item.name for item in threading.enumerate() if "retac" in item.name]
    bpy.ops.extensions.package_uninstall(repo_index=repository(), pkg_id="retac")
    told["left"] = [str(path) for path in Path(os.environ["BLENDER_USER_RESOURCES"]).rglob("*retac*")]
    return told


def line(clip: str) -> None:
    bpy.ops.retac.import_clip(filepath=clip)
    retac = bpy.context.scene.retac
    retac.text, retac.first, retac.last = "hello there", 11, 30
    bpy.ops.retac.line()


def repository() -> int:
    modules = [item.module for item in bpy.context.preferences.extensions.repos]
    return modules.index("user_default")


if __name__ == "__main__":
    told = main(*sys.argv[1:])
    print(json.dumps(told), flush=True)
    os._exit(0)  # Blender as a module may wait for ever when Python ends
