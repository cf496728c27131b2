"""Sets everything up and runs it: `python3 build.py demo`, `python3 build.py test`.  Needs a bare Python, nothing more.

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
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.sha256"
TORCH = "2.13.0"
LINE = "Good evening. The line you hear now was never spoken on the day this shot was taken."
JUDGES = ("speaker_judge", "whisper_tiny_en")  # model files that only measure results; the tests use them

EPILOG = f"""commands:
  demo   re-voice a sample made here and leave out/demo.mp4 and out/before_after.mp4;
         --clip X --text "..." take your own clip and line, any other option goes to `retac dub`
  test   ruff, mypy and pytest; options go to pytest
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
    parser.add_argument("command", choices=COMMANDS, metavar="demo|test|venv")
    asked = parser.parse_args(arguments[:1] or ["--help"])
    make_venv()
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
    checks = (["ruff", "check", "."], ["mypy"], ["pytest", *arguments])
    codes = [subprocess.run([str(PYTHON), "-m", *check], env=environment(), check=False).returncode for check in checks]
    sys.exit(next((code for code in codes if code), 0))


def venv(arguments: list[str]) -> None:
    """Says where the environment is, which `main` has made."""
    if arguments:
        sys.exit(f"build.py venv takes no options; leave out: {' '.join(arguments)}")
    print(f"the project is installed in {VENV}")


COMMANDS = {"demo": demo, "test": test, "venv": venv}


def sample() -> str:
    """Makes the talking sample with its ground truth, once."""
    clip = Path("out/sample.mp4")
    if not clip.exists():
        project("retac_node.train.sample", "-o", str(clip))
    return str(clip)


def make_venv() -> None:
    """Makes .venv and installs the project; does nothing when that was done for this pyproject.toml and torch."""
    torch = torch_requirement()
    wanted = hashlib.sha256(f"{torch}\n{ROOT}\n".encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    if not has_pip():
        print(f"making {VENV}")
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit("this Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv")
        if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode:
            sys.exit(f"the virtual environment {VENV} cannot be made; see the lines above")
    pip_install(torch)
    pip_install("--editable", f"{ROOT}[dev]")
    STAMP.write_text(wanted)


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
