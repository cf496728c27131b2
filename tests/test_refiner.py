"""The refiner's file: the same bytes each time, and the same net again."""

from pathlib import Path

import torch

from retac_node.models.refiner import Refiner, RefinerConfig, load_refiner, save_refiner


def test_a_net_is_read_back_as_it_was_and_written_with_the_same_bytes(tmp_path: Path) -> None:
    net = Refiner(RefinerConfig(width=8, code=24)).half().float()
    save_refiner(tmp_path / "a", net)
    again = load_refiner(tmp_path / "a")
    save_refiner(tmp_path / "b", again)
    assert again.config == net.config
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in net.state_dict().items())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert b"__metadata__" not in (tmp_path / "a").read_bytes()  # whose order is another in each process


def test_the_weights_of_the_project_are_read() -> None:
    assert load_refiner().config == RefinerConfig()
