"""Sets everything up and runs it: `python3 build.py demo`, `test`, `addon`.  Needs a bare Python, nothing more.

It makes the virtual environment .venv beside this file, installs the project into it, fetches the model files and runs
what was asked.  Each step is skipped when it is done already.  Uses the standard library only.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  an older one may well be the one that runs this file
    sys.exit("Python {}.{} is too old; run this file with Python 3.11 or newer".format(*sys.version_info[:2]))

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.sha256"
TORCH = "2.13.0"
LINE = "Good evening. The line you hear now was never spoken on the day this shot was taken."
ADDON = ROOT / "blender_addon"
BLENDER = VENV / "blender"  # another environment, with Blender as a Python module, for tests/blender
BROUGHT = BLENDER / "brought"  # what Blender has from the add-on's wheels, once that is installed
BPY = {(3, 11): ("bpy==4.5.15", "numpy==1.26.4"), (3, 13): ("bpy==5.2.3", "numpy")}  # Python -> what is tested on it
WHEELS = ("msgspec==0.22.0", "pyzmq==27.3.0")  # what the add-on brings along
PYTHONS = ("3.11", "3.13", "3.14")  # of Blender 4.2 to 5.0, of 5.1 and later, of Linux distributions'
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_26_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_10_15_universal2"),
    "macos-x64": ("macosx_10_15_x86_64", "macosx_10_15_universal2", "macosx_10_13_x86_64", "macosx_10_9_x86_64"),
}  # Blender's name -> pip's
JUDGES = ("speaker_judge", "whisper_tiny_en")  # model files that only measure results; the tests use them

EPILOG = f"""commands:
  demo   re-voice a sample made here and leave out/demo.mp4 and out/before_after.mp4;
         --clip X --text "..." take your own clip and line, any other option goes to `retac dub`
  test   ruff, mypy and pytest, the add-on's tests in a Blender of their own; options go to pytest
  addon  leave the extension for Blender as dist/retac-VERSION.zip
  venv   make .venv and install the project, no more

environment:
  RETAC_TORCH   what to install as torch, as pip writes it, instead of torch=={TORCH}
  RETAC_HOME    where model files and finished work are kept
"""


def main(arguments: list[str]) -> None:
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser(
        prog="build.py",
        description="Sets the project up and runs it.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="demo|test|addon|venv")
    asked = parser.parse_args(arguments[:1] or ["--help"])
    (make_bare_venv if asked.command == "addon" else make_venv)()
    COMMANDS[asked.command](arguments[1:])


def demo(arguments: list[str]) -> None:
    """Re-voices the sample, or the clip given, and shows both side by side."""
    parser = argparse.ArgumentParser("build.py demo", epilog="Other options go to `retac dub`.", allow_abbrev=False)
    parser.add_argument("--clip", help="the clip of a person talking; without it one is made")
    parser.add_argument("--text", default=LINE, help="the line to be spoken")
    parser.add_argument("-o", "--output", default="out/demo.mp4", help="the re-voiced clip (default: %(default)s)")
    asked, rest = parser.parse_known_args(arguments)
    line = [] if "--audio" in rest else ["--text", asked.text]
    retac("assets", "fetch")
    clip = asked.clip or sample()
    Path(asked.output).parent.mkdir(parents=True, exist_ok=True)
    retac("dub", clip, *line, "-o", asked.output, *rest)
    both = str(Path(asked.output).with_name("before_after.mp4"))
    project("retac_node.compare", clip, asked.output, "-o", both)
    print(f"\nbefore       {clip}\nafter        {asked.output}\nside by side {both}")


def test(arguments: list[str]) -> None:
    """Runs the linter, the type checker and the tests; pytest's summary is the last line."""
    retac("assets", "fetch")
    retac("assets", "fetch", *JUDGES)
    os.chdir(ROOT)
    checks = [[PYTHON, "-m", "ruff", "check", "."], [PYTHON, "-m", "mypy"], [PYTHON, "-m", "pytest", *arguments]]
    blender = None if arguments else make_blender()
    if blender is not None:
        addon([])
        paths = f"pythonpath=. shared {BROUGHT.relative_to(ROOT)}"
        checks.insert(2, [blender, "-m", "pytest", "-p", "no:cacheprovider", "-o", paths, "tests/blender"])
    codes = [subprocess.run(check, env=environment(), check=False).returncode for check in checks]
    sys.exit(next((code for code in codes if code), 0))


def addon(arguments: list[str]) -> None:
    """Packs the add-on with what it shares with the node and with the wheels of every Blender it runs in."""
    parser = argparse.ArgumentParser("build.py addon", allow_abbrev=False)
    parser.add_argument("-o", "--output", help="the zip (default: dist/retac-VERSION.zip)")
    asked = parser.parse_args(arguments)
    version = tomllib.loads((ADDON / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    target = Path(asked.output) if asked.output else ROOT / "dist" / f"retac-{version}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in sorted(addon_files(wheels())):
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    validate(target)
    print(f"{target}, {target.stat().st_size / 1e6:.1f} MB: drag it into a window of Blender")


def venv(arguments: list[str]) -> None:
    """Says where the environment is, which `main` has made."""
    if arguments:
        sys.exit(f"build.py venv takes no options; leave out: {' '.join(arguments)}")
    print(f"the project is installed in {VENV}")


COMMANDS = {"demo": demo, "test": test, "addon": addon, "venv": venv}


def sample() -> str:
    """Makes the talking sample with its ground truth, once."""
    clip = Path("out/sample.mp4")
    if not clip.exists():
        project("retac_node.train.sample", "-o", str(clip))
    return str(clip)


# ---- the add-on


def addon_files(bundled: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Gives the name and the bytes of each file of the extension."""
    shared = ROOT / "shared" / "retac_shared"
    yield "blender_manifest.toml", manifest([path.name for path in bundled]).encode()
    yield "LICENSE", (ADDON / "LICENSE").read_bytes()
    yield "retac_shared/LICENSE", (ROOT / "LICENSE").read_bytes()
    yield from ((path.name, path.read_bytes()) for path in ADDON.glob("*.py"))
    yield from ((f"retac_shared/{path.name}", path.read_bytes()) for path in shared.glob("*.py"))
    yield from ((f"wheels/{path.name}", path.read_bytes()) for path in bundled)


def manifest(names: list[str]) -> str:
    """Gives the add-on's manifest with its list of wheels."""
    text = (ADDON / "blender_manifest.toml").read_text(encoding="utf-8")
    listed = "".join(f'  "./wheels/{name}",\n' for name in names)
    return text.replace("[permissions]", f"wheels = [\n{listed}]\n\n[permissions]")


def wheels() -> list[Path]:
    """Gives the wheels that the add-on brings along, fetched where they are not here yet."""
    folder = ROOT / "build" / "wheels"
    stamp, wanted = folder / "stamp", repr((WHEELS, PYTHONS, PLATFORMS))
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for python in PYTHONS:
            for platform in PLATFORMS.values():
                fetch_wheels(folder, python, platform)
        stamp.write_text(wanted)
    return sorted(folder.glob("*.whl"))


def fetch_wheels(folder: Path, python: str, platform: tuple[str, ...]) -> None:
    command = [str(PYTHON), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", f"--dest={folder}"]
    if subprocess.run([*command, *(f"--platform={name}" for name in platform), *WHEELS], check=False).returncode:
        sys.exit(f"the wheels for Python {python} on {platform[0]} could not be fetched; see pip's lines above")


def validate(target: Path) -> None:
    """Has Blender's own tool look at the zip, where there is one."""
    tools = sorted(BLENDER.glob("lib/python*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not tools:
        print("no Blender here that could check the zip; `python3 build.py test` brings one")
        return
    tags = tools[-1].parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py"
    command = [str(PYTHON), str(tools[-1]), "validate", str(target), "--valid-tags", str(tags)]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"{target} is not an extension that Blender takes; see the lines above")


def make_blender() -> str | None:
    """Makes an environment with Blender as a module; gives its Python, None where there is no Blender for this one."""
    python = blender_python()
    if python is None:
        print("no Python 3.11 or 3.13 here, which Blender needs: the add-on's tests are left out")
        return None
    program, version = python
    needed = (*BPY[version], "pytest")
    own = BLENDER / PYTHON.relative_to(VENV)
    stamp = BLENDER / "installed"
    if not own.exists() or not stamp.exists() or stamp.read_text() != repr((needed, WHEELS)):
        print(f"installing {needed[0]} (1 GB, minutes, the first time)")
        pip = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        venv = [program, "-m", "venv", "--clear", str(BLENDER)]
        commands = (venv, [*pip, *needed], [*pip, "--no-deps", "--target", str(BROUGHT), *WHEELS])
        if any(subprocess.run(command, check=False).returncode for command in commands):
            print("Blender could not be installed; see the lines above: the add-on's tests are left out")
            return None
        stamp.write_text(repr((needed, WHEELS)))
    return str(own)


def blender_python() -> tuple[str, tuple[int, int]] | None:
    """Gives a Python that there is a Blender for, and its version."""
    if sys.version_info[:2] in BPY:
        return sys.executable, (sys.version_info[0], sys.version_info[1])
    for version in BPY:
        program = shutil.which("python{}.{}".format(*version))
        if program is not None:
            return program, version
    return None


# ---- environments


def make_venv() -> None:
    """Makes .venv and installs the project; does nothing when that was done for this pyproject.toml and torch."""
    torch = torch_requirement()
    wanted = hashlib.sha256(f"{torch}\n{ROOT}\n".encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    make_bare_venv()
    pip_install(torch)
    pip_install("--editable", f"{ROOT}[dev]")
    STAMP.write_text(wanted)


def make_bare_venv() -> None:
    """Makes .venv with nothing but pip in it; does nothing when it is there."""
    if has_pip():
        return
    print(f"making {VENV}")
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("this Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv")
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode:
        sys.exit(f"the virtual environment {VENV} cannot be made; see the lines above")


def has_pip() -> bool:
    """Says whether .venv is whole: one whose making was interrupted, or whose Python is gone, is made anew."""
    ask = [str(PYTHON), "-m", "pip", "--version"]
    return PYTHON.exists() and subprocess.run(ask, capture_output=True, check=False).returncode == 0


def pip_install(*arguments: str) -> None:
    print(f"installing {arguments[-1]} (minutes, the first time)")
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *quiet, *arguments]
    if subprocess.run(command, env=environment(), check=False).returncode:
        sys.exit(f"{arguments[-1]} could not be installed; see pip's lines above, check the network and run it again")


def torch_requirement() -> str:
    """Names the torch to install; on a CUDA machine exactly the version without a local label such as +cpu."""
    return os.environ.get("RETAC_TORCH") or (f"torch==={TORCH}" if has_cuda() else f"torch=={TORCH}")


def has_cuda() -> bool:
    program = shutil.which("nvidia-smi")
    return program is not None and subprocess.run([program, "-L"], capture_output=True, check=False).returncode == 0


def retac(*arguments: str) -> None:
    project("retac_node", *arguments)


def project(module: str, *arguments: str) -> None:
    """Runs a module of the project; ends with its exit code when that is not 0."""
    code = subprocess.run([str(PYTHON), "-m", module, *arguments], env=environment(), check=False).returncode
    if code:
        sys.exit(code)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
