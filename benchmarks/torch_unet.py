"""The peer of the network: the same U-Net of PyTorch's own layers, with the same weights.

It imports nothing of this project, so that a process which times PyTorch starts with PyTorch alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

# As the network's group normalisation has them; the benchmarks compare the results.
_GROUPS = 8


class UNet(nn.Module):
    """[batch, 1, row, column] to logits [batch, row, column]."""

    def __init__(self, base: int, depth: int) -> None:
        """Args: base: channels of the first level; depth: number of poolings."""
        super().__init__()
        widths = [base * 2**i for i in range(depth + 1)]
        pairs = zip([1, *widths[:-1]], widths, strict=True)
        self.encoders = nn.ModuleList(_level(a, b) for a, b in pairs)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(2 * n, n, 2, stride=2, bias=False) for n in widths[:-1]
        )
        self.decoders = nn.ModuleList(_level(2 * n, n) for n in widths[:-1])
        self.pool = nn.MaxPool2d(2)
        self.logit = nn.Conv2d(base, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One forward pass."""
        skips = []
        for encode in self.encoders[:-1]:
            skips.append(encode(x))
            x = self.pool(skips[-1])
        x = self.encoders[-1](x)
        for i in reversed(range(len(skips))):
            x = self.decoders[i](torch.cat([skips[i], self.ups[i](x)], 1))
        return self.logit(x)[:, 0]


def with_weights(params: Mapping[str, Any]) -> UNet:
    """The network with the weights of ours.

    Args:
        params: The collection `params` of `liver_jax.model.unet.UNet`, as numpy arrays.
    """
    depth = sum(name.startswith("encoder_") for name in params)
    network = UNet(params["encoder_0"]["conv_0"]["kernel"].shape[-1], depth)
    for i in range(depth):
        _load_level(network.encoders[i], params[f"encoder_{i}"])
        _load_level(network.decoders[i], params[f"decoder_{i}"])
        kernel = params[f"up_{i}"]["kernel"]
        _load(network.ups[i].weight, kernel.reshape(len(kernel), 2, 2, -1), (0, 3, 1, 2))
    _load_level(network.encoders[-1], params["bottleneck"])
    _load(network.logit.weight, params["logit"]["kernel"][..., None, None], (1, 0, 2, 3))
    _load(network.logit.bias, params["logit"]["bias"], (0,))
    return network


def _level(channels: int, features: int) -> nn.Module:
    layers = []
    for inputs in (channels, features):
        layers += [
            nn.Conv2d(inputs, features, 3, padding=1, bias=False),
            nn.GroupNorm(min(_GROUPS, features), features),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _load(parameter: torch.Tensor, value: np.ndarray, axes: tuple[int, ...]) -> None:
    parameter.data.copy_(torch.from_numpy(np.array(value.transpose(axes))))


def _load_level(layers: nn.Module, values: Mapping[str, Any]) -> None:
    for i in range(2):
        _load(layers[3 * i].weight, values[f"conv_{i}"]["kernel"], (3, 2, 0, 1))
        _load(layers[3 * i + 1].weight, values[f"norm_{i}"]["scale"], (0,))
        _load(layers[3 * i + 1].bias, values[f"norm_{i}"]["bias"], (0,))
