"""Start a training from a network that ships: its weights, with the normalisations that the export had folded away.

An exported network has each batch normalisation folded into the convolution before it. Here the folded weights are
read back in the order in which the convolutions run, and each normalisation is set to what the convolution gives on
given patches, so that the network answers as before and trains as usual.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from unet import CompactUNet

PROBE = (1, 64, 96)


def load_exported(model: CompactUNet, path: Path, patches: NDArray[np.float32]) -> None:
    """Give a network the weights of an exported one.

    Parameters
    ----------
    patches
        float32, (n, channels, rows, cols): inputs to set the normalisations by.
    """
    model.eval()
    weights, order = _weights(path), _convolutions(model)
    if len(weights) != len(order):
        raise SystemExit(f"{path.name} has {len(weights)} convolutions, the network {len(order)}")
    norms = _norms(model)
    with torch.no_grad():
        for (weight, bias), convolution in zip(weights, order, strict=True):
            convolution.weight.copy_(torch.from_numpy(weight.copy()))
            norm = norms.get(convolution)
            if norm is None:
                convolution.bias.copy_(torch.from_numpy(bias.copy()))
                continue
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)
            norm.weight.fill_(1.0)
            norm.bias.copy_(torch.from_numpy(bias.copy()))
        seen = _statistics(model, list(norms), torch.from_numpy(patches))
        for convolution, norm in norms.items():
            mean, variance = seen[convolution]
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.add_(mean)


def _weights(path: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the weights and biases of the convolutions, in the order in which they run."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return [(stored[node.input[1]], stored[node.input[2]]) for node in graph.node if node.op_type == "Conv"]


def _convolutions(model: CompactUNet) -> list[nn.Conv2d]:
    """Return the convolutions in the order in which they run."""
    order: list[nn.Conv2d] = []
    hooks = [
        module.register_forward_hook(lambda one, _, __: order.append(one))
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        model(torch.zeros(1, model.channels, *PROBE[1:]))
    for hook in hooks:
        hook.remove()
    return order


def _norms(model: CompactUNet) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Return the normalisation that follows each convolution that has one."""
    sequences = [module for module in model.modules() if isinstance(module, nn.Sequential)]
    followed = [both for sequence in sequences for both in itertools.pairwise(sequence)]
    return {
        first: second
        for first, second in followed
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d)
    }


def _statistics(
    model: CompactUNet, convolutions: list[nn.Conv2d], patches: torch.Tensor
) -> dict[nn.Conv2d, tuple[torch.Tensor, torch.Tensor]]:
    """Return mean and variance of each channel that each convolution gives on the patches."""
    seen = {}

    def keep(one: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        seen[one] = (output.mean((0, 2, 3)), output.var((0, 2, 3)))

    hooks = [one.register_forward_hook(keep) for one in convolutions]
    model(patches)
    for hook in hooks:
        hook.remove()
    return seen
