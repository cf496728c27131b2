"""The job template of a dub in Open Job Description (jobtemplate-2023-09).  Never a path of any machine, nor the line.

Each step is one command whose arguments are a list, each given whole: no shell reads them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from retac_node.farm.steps import STEPS, Step

Tree = dict[str, Any]

MOST_SHARES = 16  # where none are asked for
NOTICE = 30  # seconds from the request to stop to the end by force


@dataclass(frozen=True)
class Place:
    """A path that a step is given: an option of `retac farm task` and a parameter of the same name."""

    option: str
    kind: Literal["FILE", "DIRECTORY"]
    flow: Literal["IN", "OUT", "NONE"]  # whether a farm that moves files has to bring it, or to fetch it
    about: str
    default: str = ""  # in the bundle's folder

    @property
    def name(self) -> str:
        return self.option.title()


PLACES = (
    Place("job", "FILE", "IN", "the line and its options", "job.json"),
    Place("clip", "FILE", "IN", "video of a person talking"),
    Place("audio", "FILE", "IN", "recording of the line"),
    Place("voice", "FILE", "IN", "recording of the voice to clone"),
    Place("motion", "FILE", "IN", "edited curves"),
    Place("cache", "DIRECTORY", "NONE", "folder that keeps finished tasks, one and the same for all hosts"),
    Place("output", "FILE", "OUT", "the finished video; its curves and its report are put beside it"),
    Place("frames", "DIRECTORY", "OUT", "every frame as PNG"),
    Place("mattes", "DIRECTORY", "OUT", "where the plate was replaced, as PNG"),
)


def template(title: str, places: tuple[Place, ...], needs: Mapping[str, Tree]) -> Tree:
    """Gives the job template; `needs` is step -> what its hosts must have."""
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": "{{Param.JobName}}",
        "description": "Makes a shot say a new line (Re-TTAC). Each step can be run again: finished tasks are kept.",
        "parameterDefinitions": list(parameters(title, places)),
        "steps": [written(step, places, needs.get(step.name, {})) for step in STEPS],
    }


def parameters(title: str, places: tuple[Place, ...]) -> Iterator[Tree]:
    yield {"name": "JobName", "type": "STRING", "default": title, "description": "as lists show it"}
    for place in places:
        default = {"default": place.default} if place.default else {}
        kind = {"type": "PATH", "objectType": place.kind, "dataFlow": place.flow}
        yield {"name": place.name, **kind, **default, "description": place.about}
    yield {"name": "Text", "type": "STRING", "default": "", "description": "another line than the job's"}
    bounds = {"default": MOST_SHARES, "minValue": 1, "maxValue": 1000}
    yield {"name": "Shares", "type": "INT", **bounds, "description": "tasks among which the frames are shared"}
    devices = {"default": "auto", "allowedValues": ["auto", "cpu", "cuda"]}
    yield {"name": "Device", "type": "STRING", **devices, "description": "what the hosts compute on"}


def written(step: Step, places: tuple[Place, ...], needs: Tree) -> Tree:
    """Gives a step as templates have it."""
    action = {
        "command": "retac",
        "args": ["farm", "task", step.name, *arguments(step, places)],
        "timeout": step.seconds,
        "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": NOTICE},
    }
    tree: Tree = {"name": step.name.title()}
    if step.after:
        tree["dependencies"] = [{"dependsOn": name.title()} for name in step.after]
    if needs:
        tree["hostRequirements"] = needs
    if step.shared:
        share = {"name": "Share", "type": "INT", "range": "1-{{Param.Shares}}"}
        tree["parameterSpace"] = {"taskParameterDefinitions": [share]}
    return {**tree, "script": {"actions": {"onRun": action}}}


def arguments(step: Step, places: tuple[Place, ...]) -> Iterator[str]:
    for place in places:
        yield from (f"--{place.option}", f"{{{{Param.{place.name}}}}}")
    yield from ("--text={{Param.Text}}", "--device", "{{Param.Device}}")
    if step.shared:
        yield from ("--share", "{{Task.Param.Share}}/{{Param.Shares}}")
