"""Settings: the environment before the file, and a clear word for what is wrong in it."""

from pathlib import Path

import pytest

from retac_node import config
from retac_node.errors import BadInput


def test_the_environment_moves_the_home(tmp_path):
    (tmp_path / "config.yaml").write_text("home: /elsewhere\ncache_limit_bytes: 5")
    settings = config.load({"RETAC_HOME": str(tmp_path)}, tmp_path / "config.yaml")
    assert settings == config.Config(tmp_path, cache_limit_bytes=5)
    assert settings.assets == tmp_path / "assets"


def test_the_file_moves_the_home(tmp_path):
    (tmp_path / "config.yaml").write_text(f"home: '{tmp_path}'")
    assert config.load({}, tmp_path / "config.yaml").home == tmp_path


def test_the_file_names_a_head_model(tmp_path):
    (tmp_path / "config.yaml").write_text(f"head: {{kind: ict, folder: '{tmp_path}'}}")
    assert config.load({}, tmp_path / "config.yaml").head == config.HeadChoice("ict", tmp_path)


def test_no_file_means_the_platforms_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(config.sys, "platform", "linux")
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert config.load(places) == config.Config(tmp_path / "cache" / "retac")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hoem: /x", "unknown name 'hoem'"),
        ("- a", "name: value"),
        ("home: 5", "home is not a folder"),
        ("cache_limit_bytes: 20 GB", "whole number of bytes"),
        ("home: [", "cannot be read"),
        ("head: bfm", "write head: {kind"),
        ("head: {kind: smpl, folder: /x}", "known are bfm, flame, ict"),
    ],
)
def test_a_wrong_settings_file_is_named_with_its_fault(tmp_path: Path, text: str, said: str):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(BadInput, match=said) as refusal:
        config.load({}, tmp_path / "config.yaml")
    assert str(tmp_path) in str(refusal.value)
