"""What is in deploy/: the settings it documents are those that there are, and their defaults are the real ones."""

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from retac_node import nodeconfig
from retac_node.nodeconfig import NodeConfig

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.fixture
def text():
    return (DEPLOY / "node.yaml").read_text()


def test_every_setting_is_in_the_example_with_its_default(text, monkeypatch, tmp_path):
    monkeypatch.setenv("RETAC_HOME", str(tmp_path))
    assert nodeconfig.load(DEPLOY / "node.yaml") == nodeconfig.load()
    named = set(re.findall(r"^(?:# )?([a-z_]+): ", text, re.MULTILINE))
    assert named == {field.name for field in dataclasses.fields(NodeConfig)}


def test_every_line_that_is_commented_out_is_understood(text, tmp_path):
    whole = re.sub(r"^# (keys|home): ", r"\1: ", text, flags=re.MULTILINE)
    (tmp_path / "node.yaml").write_text(whole)
    made = nodeconfig.load(tmp_path / "node.yaml")
    assert (str(made.home), str(made.keys)) == ("/var/lib/retac", "/var/lib/retac/keys")
    assert yaml.safe_load(whole)["bind"] == made.bind


def test_the_guide_names_every_setting_and_command():
    guide = (DEPLOY.parent / "docs" / "NODE.md").read_text()
    commands = ("serve", "submit", "jobs", "watch", "cancel", "resume", "fetch", "metrics", "keys new", "keys remove")
    assert [name for name in commands if f"retac {name}" not in guide] == []
