"""Checkpoints with the names and shapes of the public SV2TTS ones and made-up numbers: what they say is noise.

The lists are written out from what is published, not from our modules: 30.870 and 4.481 million parameters.
"""

from pathlib import Path

import torch

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, size: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (size,) for part in parts}, f"{name}.num_batches_tracked": ()}


def linear(name: str, inside: int, outside: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outside, inside), **({f"{name}.bias": (outside,)} if bias else {})}


def recurrent(name: str, gates: int, inside: int, size: int, end: str = "") -> Shapes:
    biases = {f"{name}.bias_{which}{end}": (gates * size,) for which in ("ih", "hh")}
    return {f"{name}.weight_ih{end}": (gates * size, inside), f"{name}.weight_hh{end}": (gates * size, size), **biases}


def bank(name: str, inside: int, channels: int, outside: int) -> Shapes:
    shapes: Shapes = {}
    convolutions = {f"conv1d_bank.{n}": (channels, inside, n + 1) for n in range(5)}
    convolutions |= {"conv_project1": (channels, 5 * channels, 3), "conv_project2": (outside, channels, 3)}
    for part, shape in convolutions.items():
        shapes |= {f"{name}.{part}.conv.weight": shape, **norm(f"{name}.{part}.bnorm", shape[0])}
    if outside != channels:
        shapes |= linear(f"{name}.pre_highway", outside, channels, bias=False)
    for n in range(4):
        shapes |= linear(f"{name}.highways.{n}.W1", channels, channels)
        shapes |= linear(f"{name}.highways.{n}.W2", channels, channels)
    for end in ("_l0", "_l0_reverse"):
        shapes |= recurrent(f"{name}.rnn", 3, channels, channels // 2, end)
    return shapes


SYNTHESIZER: Shapes = {
    "step": (1,), "stop_threshold": (), "decoder.r": (),
    "encoder.embedding.weight": (66, 512),
    **linear("encoder.pre_net.fc1", 512, 256), **linear("encoder.pre_net.fc2", 256, 256),
    **bank("encoder.cbhg", 256, 256, 256),
    **linear("encoder_proj", 512, 128, bias=False),
    **linear("decoder.prenet.fc1", 80, 256), **linear("decoder.prenet.fc2", 256, 256),
    "decoder.attn_net.conv.weight": (32, 1, 31), "decoder.attn_net.conv.bias": (32,),
    **linear("decoder.attn_net.L", 32, 128, bias=False), **linear("decoder.attn_net.W", 128, 128),
    **linear("decoder.attn_net.v", 128, 1, bias=False),
    **recurrent("decoder.attn_rnn", 3, 768, 128),
    **linear("decoder.rnn_input", 640, 1024),
    **recurrent("decoder.res_rnn1", 4, 1024, 1024), **recurrent("decoder.res_rnn2", 4, 1024, 1024),
    **linear("decoder.mel_proj", 1024, 1600, bias=False), **linear("decoder.stop_proj", 1536, 1),
    **bank("postnet", 80, 512, 80),
    **linear("post_proj", 512, 80, bias=False),
}  # fmt: skip

VOCODER: Shapes = {
    "step": (1,),
    "upsample.resnet.conv_in.weight": (128, 80, 5), **norm("upsample.resnet.batch_norm", 128),
    **{f"upsample.resnet.layers.{n}.conv{k}.weight": (128, 128, 1) for n in range(10) for k in (1, 2)},
    "upsample.resnet.conv_out.weight": (128, 128, 1), "upsample.resnet.conv_out.bias": (128,),
    **{f"upsample.up_layers.{2 * n + 1}.weight": (1, 1, 1, 2 * scale + 1) for n, scale in enumerate((5, 5, 8))},
    **linear("I", 113, 512),
    **recurrent("rnn1", 3, 512, 512, "_l0"), **recurrent("rnn2", 3, 544, 512, "_l0"),
    **linear("fc1", 544, 512), **linear("fc2", 544, 512), **linear("fc3", 512, 512),
}  # fmt: skip
for n in range(10):
    for k in (1, 2):
        VOCODER |= norm(f"upsample.resnet.layers.{n}.batch_norm{k}", 128)


def state(shapes: Shapes) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    made = {name: torch.randn(shape, generator=chance) * 0.05 for name, shape in shapes.items()}
    whole = {name: torch.tensor(2) for name in shapes if name == "decoder.r" or name.endswith("num_batches_tracked")}
    positive = {name: torch.ones(shape) for name, shape in shapes.items() if name.endswith("running_var")}
    ends = {name: torch.full((1,), 9.0) for name in shapes if name == "decoder.stop_proj.bias"}  # at once
    return {**made, **whole, **positive, **ends, "step": torch.zeros(1, dtype=torch.long)}


def write(folder: Path) -> Path:
    """Writes synthesizer.pt, with what an optimiser leaves in it, and vocoder.pt."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model_state": state(SYNTHESIZER), "optimizer_state": {"state": {}}}, folder / "synthesizer.pt")
    torch.save({"model_state": state(VOCODER)}, folder / "vocoder.pt")
    return folder
