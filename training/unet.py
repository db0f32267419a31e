"""The network that finds deposits, and its export to ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Channels of the full grid and of the four coarser ones. Processors that know bfloat16 want multiples of 16.
WIDTHS = (16, 32, 64, 128, 192)


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        return self.layers(x)


class CompactUNet(nn.Module):
    """A U-Net (Ronneberger 2015) of four levels that halves the grid at once, to be quick on a CPU.

    Input (n, channels, rows, cols) with sides divisible by 16, output (n, outputs, rows, cols), logits first. Most
    weights lie where the grid is coarse: there they cost little time, and they see bone and deposit together.
    """

    def __init__(self, channels: int = 2, outputs: int = 1, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        w, a, b, c, d = widths
        self.channels = channels
        self.stem = nn.Sequential(
            nn.Conv2d(channels, w, 3, padding=1, bias=False), nn.BatchNorm2d(w), nn.ReLU(inplace=True)
        )
        self.down1 = Block(w * 4, a)
        self.down2 = Block(a, b)
        self.down3 = Block(b, c)
        self.down4 = Block(c, d)
        self.up3 = Block(d + c, c)
        self.up2 = Block(c + b, b)
        self.up1 = Block(b + a, a)
        self.head = nn.Sequential(
            nn.Conv2d(a, w * 4, 1), nn.PixelShuffle(2), nn.Conv2d(w, w, 3, padding=1), nn.ReLU(inplace=True)
        )
        self.last = nn.Conv2d(w * 2, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        fine = self.stem(x)
        d1 = self.down1(functional.pixel_unshuffle(fine, 2))
        d2 = self.down2(functional.max_pool2d(d1, 2))
        d3 = self.down3(functional.max_pool2d(d2, 2))
        d4 = self.down4(functional.max_pool2d(d3, 2))
        u3 = self.up3(torch.cat([_twice(d4), d3], 1))
        u2 = self.up2(torch.cat([_twice(u3), d2], 1))
        u1 = self.up1(torch.cat([_twice(u2), d1], 1))
        return self.last(torch.cat([self.head(u1), fine], 1))


def _twice(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class OutlineNetwork(nn.Module):
    """The outline network as it is used: the share of each cell, and the log of the area's relative error there."""

    def __init__(self, inner: CompactUNet) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return both channels."""
        answer = self.inner(x)
        return torch.cat([torch.sigmoid(answer[:, :1]), answer[:, 1:]], 1)


def export(whole: nn.Module, channels: int, path: Path) -> None:
    """Write a network as ONNX, and check it against torch."""
    import onnxruntime

    whole = whole.eval()
    example = torch.zeros(1, channels, 64, 96)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        whole,
        (example,),
        str(path),
        input_names=["inputs"],
        output_names=["answer"],
        dynamo=False,
        dynamic_axes={"inputs": {2: "rows", 3: "cols"}, "answer": {2: "rows", 3: "cols"}},
    )
    probe = np.random.default_rng(3).normal(size=(1, channels, 160, 112)).astype(np.float32)
    (got,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"inputs": probe})
    wanted = whole(torch.from_numpy(probe)).detach().numpy()
    worst = float(np.abs(got - wanted).max())
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, ONNX Runtime within {worst:.1e} of torch")
    if worst > 1e-4:
        raise SystemExit("the exported network does not give what torch gave")
