"""The settings of a node: defaults, what is refused, and when keys are needed."""

from pathlib import Path

import pytest

from retac_node import nodeconfig
from retac_node.errors import BadInput


def settings(tmp_path, text):
    (tmp_path / "node.yaml").write_text(text)
    return nodeconfig.load(tmp_path / "node.yaml")


def test_without_a_file_the_node_is_this_machines_own(monkeypatch, tmp_path):
    monkeypatch.setenv("RETAC_HOME", str(tmp_path))
    made = nodeconfig.load()
    assert (made.home, made.bind, made.keys, made.on_loopback) == (tmp_path, "tcp://127.0.0.1:7420", None, True)


def test_another_address_needs_keys(tmp_path):
    assert settings(tmp_path, "bind: tcp://0.0.0.0:7420").keys is not None
    assert settings(tmp_path, f"bind: tcp://10.0.0.4:7420\nkeys: {tmp_path}").keys == tmp_path
    assert settings(tmp_path, "bind: 'tcp://[::1]:7420'").keys is None
    assert settings(tmp_path, "bind: tcp://render.example:7420").keys is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "see the guide"), ("bindd: x", "unknown name 'bindd'"), ("bind: 7420", "give an address"),
        ("bind: ipc:///tmp/x", "give an address"), ("devices: cpu", "give a list"), ("devices: [gpu]", "give a list"),
        ("queue_limit: 0", "above 0"), ("require_consent: 1", "true or false"), ("a: [", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, text, words):
    with pytest.raises(BadInput, match=words) as caught:
        settings(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_every_setting_can_be_written(tmp_path):
    names = set(nodeconfig.NodeConfig.__dataclass_fields__)
    assert names == set(nodeconfig.CHECKS)
    made = settings(tmp_path, "devices: ['cuda:0', 'cuda:1']\nclip_limit_seconds: 20.5\nrequire_consent: true")
    assert (made.devices, made.clip_limit_seconds, made.require_consent) == (("cuda:0", "cuda:1"), 20.5, True)


def test_the_example_that_is_shipped_is_right():
    example = Path(__file__).parents[1] / "deploy" / "node.yaml"
    if not example.exists():
        pytest.skip("no example here")
    assert nodeconfig.read(example).keys() <= nodeconfig.CHECKS.keys()


def test_what_does_not_go_together_with_ray_is_said(tmp_path):
    assert settings(tmp_path, "executor: ray\nray_address: head:6379\ndevices: [cpu, cpu]").ray_address == "head:6379"
    with pytest.raises(BadInput, match="each of the 2 devices would start a Ray cluster of its own"):
        settings(tmp_path, "executor: ray\ndevices: [cpu, cpu]")
    with pytest.raises(BadInput, match="memory_limit_bytes does not bind Ray's workers"):
        settings(tmp_path, "executor: ray\nmemory_limit_bytes: 1000000000")
