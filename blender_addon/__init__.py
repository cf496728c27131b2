"""Re-TTAC in Blender: registration.  Imports nothing of the add-on before register()."""

from . import _shared

MODULES = (
    "preferences",
    "props",
    "inbox",
    "operators",
    "ops_shot",
    "ops_job",
    "ops_edit",
    "panels",
)  # each has register()


def register() -> None:
    done = []
    try:
        for module in _shared.load(MODULES):
            module.register()
            done.append(module)
    except Exception:
        leave(done)
        raise
    global registered
    registered = done


def unregister() -> None:
    leave(registered)
    registered.clear()


def leave(modules: list) -> None:
    """Takes back what the modules registered, the last first."""
    for module in reversed(modules):
        module.unregister()
    _shared.unload()


registered: list = []
