"""Jobs for farms, as bundles of Open Job Description: valid anywhere, made in shares, run again without doing it twice."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from retac_shared.order import Order

from retac_node.cli import main
from retac_node.engine.events import Started
from retac_node.engine.plan import Share
from retac_node.recipe import digest
from tests import fake_dub, fake_stages
from tests.clips import MATERIAL, needs_material

model = pytest.importorskip("openjd.model", reason="farm bundles are checked with the extra: pip install 'retac[farm]'")
pytest.importorskip("openjd.cli", reason="farm bundles are run with the extra: pip install 'retac[farm]'")

ROOT = Path(__file__).parents[1]
LINE = "Hello there."
STEPS = {"Voice": [], "Solve": [], "Adapt": ["Solve"], "Motion": ["Voice", "Adapt"], "Frames": ["Motion"]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a clip, with the fakes behind the command line."""
    fake_dub.use(monkeypatch)
    monkeypatch.setenv("RETAC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    fake_dub.small_clip(tmp_path / "talk.mp4")
    return tmp_path


def submit(*options: str) -> Path:
    assert main(["farm", "openjd", "talk.mp4", "--work", "cache", "--device", "cpu", *options, "-o", "bundle/"]) == 0
    return Path("bundle").absolute()


def job_of(bundle: Path):
    """The farm's job, as a farm makes it of template and values."""
    template = model.decode_job_template(template=yaml.safe_load((bundle / "template.yaml").read_text()))
    values = model.preprocess_job_parameters(
        job_template=template,
        job_parameter_values=json.loads((bundle / "parameters.json").read_text()),
        job_template_dir=bundle,
        current_working_dir=bundle,
    )
    return model.create_job(job_template=template, job_parameter_values=values)


# ---- the bundle


def test_a_bundle_is_a_valid_job_that_names_no_place_of_this_machine(here):
    bundle = submit("--text", LINE, "--frames", "png", "--gpu", "--shares", "5")
    assert sorted(os.listdir(bundle)) == [
        "asset_references.yaml", "job.json", "parameter_values.yaml", "parameters.json", "template.yaml"
    ]  # fmt: skip
    job = job_of(bundle)
    assert {step.name: [item.dependsOn for item in step.dependencies or []] for step in job.steps} == {
        **STEPS, "Finish": ["Frames"]
    }  # fmt: skip
    spaces = [model.StepParameterSpaceIterator(space=step.parameterSpace) for step in job.steps if step.parameterSpace]
    assert [len(space) for space in spaces] == [5]
    amounts = {step.name: [item.name for item in step.hostRequirements.amounts] for step in job.steps}
    assert [name for name, names in amounts.items() if "amount.worker.gpu" in names] == ["Solve", "Adapt", "Frames"]
    assert str(here) not in (bundle / "template.yaml").read_text()


def test_the_values_for_deadline_are_those_for_openjd(here):
    bundle = submit("--text", LINE)
    values = yaml.safe_load((bundle / "parameter_values.yaml").read_text())["parameterValues"]
    assert {row["name"]: row["value"] for row in values} == json.loads((bundle / "parameters.json").read_text())
    assets = yaml.safe_load((bundle / "asset_references.yaml").read_text())["assetReferences"]
    assert assets["inputs"]["filenames"] == [str(here / "talk.mp4")]
    assert assets["outputs"]["directories"] == [str(here)]


def test_a_line_is_never_read_as_part_of_a_template_or_a_script(here):
    line = "{{Param.Clip}} said: \"no\" `touch x` $(touch y) 'it' -- é\n" + 300 * "well "
    bundle = submit("--text", line)
    job = job_of(bundle)
    assert job.name == " ".join(f"talk.mp4: {line}".split())[:128]
    assert msgspec.json.decode((bundle / "job.json").read_bytes(), type=Order).text == line
    words = {word for step in job.steps for word in step.script.actions.onRun.args}
    assert not [word for word in words if "touch" in word]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--text", LINE, "--start", "2", "--end", "9"), "goes beyond the clip"),
        ((), "no line to speak"),
        (("--text", LINE, "--video", "out.avi"), ".mp4 or .mov"),
    ],
)
def test_what_would_fail_on_the_farm_fails_here(here, capsys, options, words):
    assert main(["farm", "openjd", "talk.mp4", "--work", "cache", *options, "-o", "bundle"]) == 2
    assert words in capsys.readouterr().err
    assert not Path("bundle").exists()


def test_a_saved_job_is_taken_and_what_is_given_beside_it_comes_first(here):
    saved = submit("--text", LINE, "--seed", "7", "--start", "1", "--end", "2").rename(here / "saved")
    bundle = submit("--job", str(saved / "job.json"), "--text", "Good night.")
    first, second = (msgspec.json.decode((at / "job.json").read_bytes(), type=Order) for at in (saved, bundle))
    assert second == dataclasses.replace(first, text="Good night.")
    assert (second.seed, second.start) == (7, 1.0)


# ---- shares


@pytest.mark.parametrize("shares", [1, 2, 3, 5])
def test_shares_make_every_chunk_once_and_leave_the_rest_to_the_end(tmp_path, shares):
    made: Counter[tuple[str, object]] = Counter()
    for index in range(shares):
        share: Share = (index, shares)
        job = dataclasses.replace(fake_stages.JOB, wanted=("composite",), share=share)
        _, events = fake_stages.go(tmp_path, job)
        made.update((event.stage, event.frames) for event in events if isinstance(event, Started))
    spans = [(0, 7), (7, 14), (14, 20)]
    assert {(stage, span): 1 for stage in ("render", "refine", "composite") for span in spans}.items() <= made.items()
    assert max(made.values()) == 1
    assert fake_stages.ran(fake_stages.go(tmp_path)[1]) == ["encode", "report"]


# ---- a step's command


def task(step: str, *options: str) -> list[str]:
    given = ("--job", "bundle/job.json", "--clip", "talk.mp4", "--cache", "cache", "--output", "out.mp4")
    return ["farm", "task", step, *given, "--device", "cpu", *options]


def test_a_step_tells_the_farm_why_it_fails_in_one_line(here, capsys):
    submit("--text", LINE)
    shutil.copy("talk.mp4", "other.mp4")
    with open("other.mp4", "ab") as file:
        file.write(b"more")
    assert main(task("voice", "--clip", "other.mp4")) == 2
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("openjd_fail: ")]
    assert len(failed) == 1
    assert "is not the file that the job was made with" in failed[0]


def test_the_last_step_run_twice_leaves_the_shot_once_and_nothing_of_another(here, capsys):
    submit("--text", LINE, "--frames", "png")
    assert main(task("finish", "--frames", "png")) == 0
    before = digest(Path("out.mp4")), sorted(os.listdir("png"))
    assert main(task("finish", "--frames", "png")) == 0
    assert (digest(Path("out.mp4")), sorted(os.listdir("png"))) == before
    assert "<td>voice</td>" in Path("out.report.html").read_text()  # how long it took in the step that made it
    Path("png/09999.png").touch()
    assert main(task("finish", "--frames", "png")) == 2
    assert "has other files in it" in capsys.readouterr().out


# ---- on a farm


@pytest.fixture
def farm(here):
    """What a host of the farm has on its path: the command line over the fakes."""
    program = here / "bin" / "retac"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.fake_dub "$@"\n')
    program.chmod(0o755)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "shared")])
    return {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths}


def openjd(bundle: Path, environment: dict[str, str], *options: str) -> "subprocess.Popen[str]":
    given = ("--job-param", f"file://{bundle}/parameters.json", *options)
    command = [sys.executable, "-m", "openjd", "run", str(bundle / "template.yaml"), *given]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(run: "subprocess.Popen[str]", words: str) -> str:
    """Reads what a run prints up to some words.  Fails where they never come."""
    log = ""
    assert run.stdout is not None
    for line in run.stdout:
        log += line
        if words in line:
            return log
    raise AssertionError(log)


def made(log: str) -> Counter[str]:
    """Counts the tasks that ran, by stage and frames."""
    return Counter(re.findall(r"\tmade (\w+(?: \d+-\d+)?) in", log))


def mounted(here: Path, bundle: Path) -> dict[str, Any]:
    """Moves what a job reads and keeps to where the farm has it; gives the farm's rule for that."""
    for name in ("talk.mp4", "cache"):
        (here / "mnt").mkdir(exist_ok=True)
        (here / name).rename(here / "mnt" / name)
    rules = [(here, here / "mnt"), (bundle, bundle)]  # of two that fit the longer one counts
    rows = [{"source_path_format": "POSIX", "source_path": str(a), "destination_path": str(b)} for a, b in rules]
    return {"version": "pathmapping-1.0", "path_mapping_rules": rows}


def test_a_farm_with_other_mounts_goes_on_after_a_cancel_and_makes_what_dub_makes(here, farm):
    assert main(["dub", "talk.mp4", "--text", LINE, "-o", "dub.mp4", "--work", "own"]) == 0
    bundle = submit("--text", LINE, "--shares", "2")
    rules = ("--path-mapping-rules", json.dumps(mounted(here, bundle)))
    run = openjd(bundle, {**farm, "FAKE_ADAPT": "600"}, *rules)
    first = until(run, "openjd_status: adapt: learning")
    run.send_signal(signal.SIGTERM)
    first += run.communicate()[0]
    assert run.returncode != 0
    assert "openjd_fail: stopped" in first
    again = openjd(bundle, farm, *rules)
    second = again.communicate()[0]
    assert again.returncode == 0, second
    assert set(made(first)) == {"voice", "track"}  # the clip was read where the job was written
    assert set((made(first) + made(second)).values()) == {1}
    assert digest(here / "mnt" / "talk_dub.mp4") == digest(Path("dub.mp4"))
    assert digest(here / "mnt" / "talk_dub.motion.npz") == digest(Path("dub.motion.npz"))


@needs_material
@pytest.mark.slow
def test_a_real_dub_on_a_farm_has_the_bytes_of_one_made_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(sorted((MATERIAL / "grid_s1").glob("*.mp4"))[0], "talk.mp4")
    options = ("--text", "We open on Friday.", "--train-minutes", "0.1")
    assert main(["dub", "talk.mp4", *options, "-o", "dub.mp4", "--work", "own", "--device", "cpu"]) == 0
    bundle = submit(*options)
    run = openjd(bundle, {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"})
    log = run.communicate()[0]
    assert run.returncode == 0, log
    assert digest(Path("talk_dub.mp4")) == digest(Path("dub.mp4"))
    assert digest(Path("talk_dub.motion.npz")) == digest(Path("dub.motion.npz"))
