"""Brings in retac_shared, which add-on and node have in common: beside these files in the zip, in ../shared in a checkout.

Its name stands in sys.modules only while the add-on's own modules are imported, so every import of it is at the top of a
file: an extension leaves no name and no path of its own in a Blender that others share.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

NAME = "retac_shared"
HERE = Path(__file__).resolve().parent


def folder() -> Path:
    """Gives where its files are."""
    inside = HERE / NAME
    return inside if inside.is_dir() else HERE.parent / "shared" / NAME


def ours(name: str) -> bool:
    return name == NAME or name.startswith(f"{NAME}.")


@contextmanager
def at_hand() -> Iterator[None]:
    """Makes `import retac_shared` work; puts back what had that name before."""
    others = {name: module for name, module in sys.modules.items() if ours(name)}
    for name in others:
        del sys.modules[name]
    try:
        sys.modules[NAME] = package()
        yield
    finally:
        for name in [name for name in sys.modules if ours(name)]:
            del sys.modules[name]
        sys.modules.update(others)


def package() -> ModuleType:
    """Gives the package itself; its modules are found through its own path."""
    spec = spec_from_file_location(NAME, folder() / "__init__.py", submodule_search_locations=[str(folder())])
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def load(names: tuple[str, ...]) -> list[ModuleType]:
    """Imports modules of the add-on."""
    with at_hand():
        return [import_module(f"{__package__}.{name}") for name in names]


def unload() -> None:
    """Forgets all modules of the add-on but its first, so that the next `load` reads them anew."""
    for name in [name for name in sys.modules if name.startswith(f"{__package__}.") and name != __name__]:
        del sys.modules[name]
