"""The training loop of both networks: steps that can be stopped and taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from unet import CompactUNet
from warm_start import load_exported

BATCH = 8
FASTEST, SLOWEST = 2e-3, 1e-5
# Of a network that starts from an earlier one.
FASTEST_FROM_EARLIER = 6e-4
SAVE_EVERY = 250


class Source(Protocol):
    """Where the patches come from, and what it remembers of how they were answered."""

    def batch(
        self, rng: np.random.Generator, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], list[object]]:
        """Return inputs, targets (size, channels, rows, cols), and where each came from."""

    def learn(self, shown: list[object], targets: NDArray[np.float32], probability: NDArray[np.float32]) -> None:
        """Remember how sure the network was."""

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what it remembers."""

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go on from what it remembered."""


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def overlap_loss(logits: torch.Tensor, target: torch.Tensor, *, each: bool) -> torch.Tensor:
    """Return what a soft Dice lacks of 1: of the batch, or of each patch on average."""
    probability = torch.sigmoid(logits)
    over = (1, 2, 3) if each else (0, 1, 2, 3)
    overlap = (2 * (probability * target).sum(over) + 1.0) / (probability.sum(over) + target.sum(over) + 1.0)
    return 1.0 - overlap.mean()


def half_precision(model: nn.Module, inputs: torch.Tensor) -> torch.autocast:
    """Return a context in which convolutions run on bfloat16 where that is faster: on some processors it is slower."""
    seconds = []
    for enabled in (False, True, False, True):
        started = time.perf_counter()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            model(inputs)
        seconds.append(time.perf_counter() - started)
    faster = seconds[3] < seconds[2]
    print(f"{'bfloat16' if faster else 'float32'}: {seconds[2]:.2f} s a pass in float32, {seconds[3]:.2f} in bfloat16")
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=faster)


def train(
    model: CompactUNet,
    source: Source,
    checkpoint: Path,
    *,
    loss_of: Loss,
    steps: int,
    threads: int,
    earlier: Path | None = None,
) -> CompactUNet:
    """Train until `steps` steps have been made, over as many runs as it takes.

    The first channel of what the network answers is the logit of the first channel of the target. With `earlier`, an
    exported network, its weights are what the training starts from.
    """
    torch.set_num_threads(threads)
    fastest = FASTEST if earlier is None else FASTEST_FROM_EARLIER
    if earlier is not None and not checkpoint.exists():
        load_exported(model, earlier, source.batch(np.random.default_rng(7), 2 * BATCH)[0])
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=fastest, weight_decay=1e-4)
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
        source.restore({name: value.numpy() for name, value in state["source"].items()})
    probe = source.batch(np.random.default_rng(7), BATCH)[0]
    precision = half_precision(model.eval(), torch.from_numpy(probe).to(memory_format=torch.channels_last))
    model.train()
    running, started, first = math.nan, time.perf_counter(), step
    while step < steps:
        inputs, targets, shown = source.batch(np.random.default_rng((7, step)), BATCH)
        for group in optimiser.param_groups:
            group["lr"] = SLOWEST + fastest * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad(set_to_none=True)
        with precision:
            logits = model(torch.from_numpy(inputs).to(memory_format=torch.channels_last)).float()
        loss = loss_of(logits, torch.from_numpy(targets))
        loss.backward()
        optimiser.step()
        source.learn(shown, targets, torch.sigmoid(logits[:, :1].detach()).numpy())
        step += 1
        now = float(loss.detach())
        running = now if math.isnan(running) else 0.99 * running + 0.01 * now
        if step % 100 == 0:
            pace = (time.perf_counter() - started) / (step - first)
            print(f"step {step} of {steps}: {pace:.2f} s each, loss {running:.3f}", flush=True)
        if step % SAVE_EVERY == 0 or step == steps:
            _save(checkpoint, model, optimiser, step, source)
    return model.eval().to(memory_format=torch.contiguous_format)


def _save(path: Path, model: CompactUNet, optimiser: torch.optim.Optimizer, step: int, source: Source) -> None:
    part = path.with_suffix(".part")
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "source": {name: torch.from_numpy(value) for name, value in source.state().items()},
    }
    torch.save(state, part)
    part.replace(path)
