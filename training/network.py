"""Train the network that finds deposits, and export it to ONNX.

    pip install torch onnx onnxscript            # training only; a CPU is enough
    python training/network.py --work WORK       # films, training, export; run again to go on where it stopped

Four steps, the first two skipped as far as their results are there: simulated films (and, where a folder of real films
is given, those as backgrounds with deposits inserted, and as they are), the training itself with a checkpoint every few
minutes, the export with a check that ONNX Runtime gives what torch gave, and the second look (`segmentation/judge.py`)
fitted to films that the training did not see. Seeds are fixed; film seeds 0-99999 belong to training
and none of them to `calcimeasure validate`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

import calcimeasure as cm
from calcimeasure.anatomy import find_anatomy
from calcimeasure.segmentation.judge import FEATURE_NAMES, SETTINGS_FILE, describe
from calcimeasure.segmentation.network import Evidence, candidates, gather, probability_map
from calcimeasure.segmentation.network_input import masks_on_input, network_input
from calcimeasure.segmentation.regions import Region
from calcimeasure.segmentation.working import PITCH_MM

FIRST_SIMULATED_SEED = 0
FIRST_INSERTED_SEED = 50_000
FIRST_JUDGED_SEED = 70_000
FIRST_JUDGED_INSERTED_SEED = 80_000
PARTS, SHARES = ("hand", "hands", "forearm", "elbow", "knee"), (0.7, 0.06, 0.08, 0.08, 0.08)
SPACINGS_MM = (PITCH_MM, 0.15)
PATCH = 192
BATCH = 12
# Where the network is wrong is looked up at these shares of the training time, and shown to it more often after.
MINING = (0.35, 0.65)
HARD_CUT = 0.3


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

    Input (n, 2, rows, cols) with sides divisible by 16, output (n, 1, rows, cols) logits.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(nn.Conv2d(2, w, 3, padding=1, bias=False), nn.BatchNorm2d(w), nn.ReLU(inplace=True))
        self.down1 = Block(w * 4, w * 2)
        self.down2 = Block(w * 2, w * 3)
        self.down3 = Block(w * 3, w * 4)
        self.down4 = Block(w * 4, w * 6)
        self.up3 = Block(w * 6 + w * 4, w * 4)
        self.up2 = Block(w * 4 + w * 3, w * 3)
        self.up1 = Block(w * 3 + w * 2, w * 2)
        self.head = nn.Sequential(
            nn.Conv2d(w * 2, w * 4, 1), nn.PixelShuffle(2), nn.Conv2d(w, w, 3, padding=1), nn.ReLU(inplace=True)
        )
        self.last = nn.Conv2d(w * 2, 1, 3, padding=1)

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


# --- films -------------------------------------------------------------------------------------------------------


Film = tuple[cm.Radiograph, NDArray[np.uint16]]


Sample = dict[str, NDArray[np.generic]]
MakeFilm = Callable[[np.random.Generator], Film]
MakeSample = Callable[[cm.Radiograph, NDArray[np.uint16]], Sample | None]


def make_films(folder: Path, seeds: range, make: MakeFilm, sample_of: MakeSample, workers: int) -> list[Path]:
    """Write a film a seed as small arrays; those already there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool:
        made = list(pool.map(partial(_make_film, folder, make, sample_of), seeds, chunksize=4))
    return [path for path in made if path is not None]


def _make_film(folder: Path, make: MakeFilm, sample_of: MakeSample, seed: int) -> Path | None:
    path = folder / f"{seed}.npz"
    if not path.exists():
        cv2.setNumThreads(1)
        sample = sample_of(*make(np.random.default_rng(seed)))
        if sample is None:
            return None
        part = folder / f"{seed}.part.npz"
        np.savez_compressed(part, **sample)
        part.replace(path)
    return path


def training_sample(film: cm.Radiograph, truth: NDArray[np.uint16]) -> Sample | None:
    """Return what the network is trained on: input, truth and limb."""
    anatomy = find_anatomy(film)
    if anatomy.limb_count == 0:
        return None
    inputs, factor = network_input(film, anatomy)
    limb, _ = masks_on_input(film, anatomy, inputs.shape)
    return {"inputs": inputs.astype(np.float16), "truth": _on_grid(truth, inputs, factor), "limb": limb}


def judged_sample(film: cm.Radiograph, truth: NDArray[np.uint16]) -> Sample | None:
    """Return what the judge is fitted to, but for the network's own map."""
    anatomy = find_anatomy(film)
    if anatomy.limb_count == 0:
        return None
    evidence = gather(film, anatomy)
    labels = np.zeros(evidence.limb.shape, np.uint16)
    ranked = sorted(evidence.classical, key=lambda region: region.probability)
    for number, region in enumerate(ranked, start=1):
        rows, cols = region.mask.shape
        labels[region.corner[0] : region.corner[0] + rows, region.corner[1] : region.corner[1] + cols][region.mask] = (
            number
        )
    return {
        "inputs": evidence.inputs.astype(np.float16),
        "truth": _on_grid(truth, evidence.inputs, evidence.factor),
        "limb": evidence.limb,
        "bone": evidence.bone,
        "classical": labels,
        "probabilities": np.array([region.probability for region in ranked]),
        "factor": np.array(evidence.factor),
    }


def _on_grid(truth: NDArray[np.uint16], inputs: NDArray[np.float32], factor: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the share of each cell that lies on a deposit, 255 for all of it."""
    size = (round(truth.shape[1] / factor[1]), round(truth.shape[0] / factor[0]))
    share = cv2.resize((truth > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = np.pad(share, ((0, inputs.shape[1] - size[1]), (0, inputs.shape[2] - size[0])))
    return (small * 255).astype(np.uint8)


def simulated(rng: np.random.Generator) -> Film:
    """Return a simulated film and its truth."""
    from calcimeasure.simulation import simulate_film

    part = str(rng.choice(PARTS, p=SHARES))
    simulated = simulate_film(rng, part=part, spacing_mm=float(rng.choice(SPACINGS_MM, p=(0.6, 0.4))))
    return simulated.film, simulated.labels.image


def inserted(rng: np.random.Generator, real: list[Path]) -> Film:
    """Return a real film with deposits inserted, or (three in ten) as it is: what is on it is no calcinosis."""
    from calcimeasure.simulation import insert_deposits

    path = real[int(rng.integers(len(real)))]
    film = cm.read_film(path)
    if not film.spacing.known:
        film = cm.read_film(path, spacing_mm=float(rng.uniform(0.17, 0.26)))
    if rng.random() < 0.3:
        return film, np.zeros(film.shape, np.uint16)
    made = insert_deposits(film, rng)
    return made.film, made.labels.image


# --- training ----------------------------------------------------------------------------------------------------


class Patches:
    """Random patches of the films, half of them around a deposit, with every change that keeps the truth true."""

    def __init__(self, paths: list[Path]) -> None:
        self.films = []
        for path in paths:
            with np.load(path, allow_pickle=False) as stored:
                self.films.append((stored["inputs"], stored["truth"], stored["limb"]))
        # (film, row, col) of every deposit, small ones as often as large ones, and of every false find.
        self.deposits = [
            (number, *place) for number, (_, truth, _) in enumerate(self.films) for place in _places(truth > 64)
        ]
        self.hard: list[tuple[int, int, int]] = []

    def mine(self, model: nn.Module) -> None:
        """Look up where the model finds what is not there, or misses what is."""
        self.hard = []
        model.eval()
        for number, (inputs, truth, limb) in enumerate(self.films):
            with torch.no_grad(), half_precision():
                logits = model(torch.from_numpy(inputs.astype(np.float32))[None])[0, 0]
            found = (torch.sigmoid(logits.float()).numpy() > HARD_CUT) & limb
            near = cv2.dilate((truth > 25).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            missed = (truth > 127) & ~(cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
            self.hard += [(number, *place) for place in _places((found & ~near) | missed)]
        model.train()
        print(f"{len(self.hard)} places to learn from", flush=True)

    def batch(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of `size` patches."""
        pairs = [self._patch(rng) for _ in range(size)]
        inputs = torch.from_numpy(np.stack([pair[0] for pair in pairs]))
        return inputs, torch.from_numpy(np.stack([pair[1] for pair in pairs]))

    def _patch(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        draw = rng.random()
        places = self.deposits if draw < 0.5 else self.hard if draw < 0.75 else []
        if places:
            number, row, col = places[int(rng.integers(len(places)))]
        else:
            number = int(rng.integers(len(self.films)))
            flat = np.flatnonzero(self.films[number][2])
            row, col = divmod(int(flat[rng.integers(flat.size)]), self.films[number][2].shape[1])
        inputs, truth, _ = self.films[number]
        angle, zoom = rng.uniform(0, 360), float(np.exp(rng.normal(0, 0.12)))
        matrix = cv2.getRotationMatrix2D((0.0, 0.0), angle, zoom)
        jitter = rng.uniform(-PATCH / 3, PATCH / 3, 2)
        centre = matrix[:, :2] @ np.array([col, row], dtype=np.float64)
        matrix[:, 2] = PATCH / 2 + jitter - centre
        size = (PATCH, PATCH)
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        channels = [
            cv2.warpAffine(channel.astype(np.float32), matrix, size, borderMode=cv2.BORDER_REFLECT)[:, flip]
            for channel in inputs
        ]
        target = cv2.warpAffine(truth, matrix, size, borderValue=0)[:, flip].astype(np.float32) / 255.0
        x = np.stack(channels)
        x[0] = x[0] * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.08)
        x[1] = x[1] * np.exp(rng.normal(0, 0.15))
        x += rng.normal(0, abs(rng.normal(0, 0.03)), x.shape)
        return x.astype(np.float32), target[None]


def _places(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (row, col) of a cell in the middle of each connected part."""
    _, _, _, centroids = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [(round(row), round(col)) for col, row in centroids[1:]]


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with the rare class weighted, and a soft Dice so that small deposits count."""
    entropy = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor(4.0))
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * target).sum() + 1.0
    return entropy + 1.0 - overlap / (probability.sum() + target.sum() + 1.0)


def half_precision() -> torch.autocast:
    """Return a context in which convolutions run on bfloat16: several times faster where the processor knows it."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


def train(work: Path, patches: Patches, minutes: float, threads: int) -> CompactUNet:
    """Train until `minutes` of training time have been spent, over as many runs as it takes."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = CompactUNet().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    checkpoint, spent, step = work / "checkpoint.pt", 0.0, 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step = state["spent_s"], state["step"]
    model.train()
    saved = running = 0.0
    mined = None
    while spent < minutes * 60:
        due = sum(spent >= share * minutes * 60 for share in MINING)
        if due and due != mined:
            patches.mine(model)
            mined = due
        started = time.perf_counter()
        rng = np.random.default_rng((7, step))
        inputs, target = patches.batch(rng, BATCH)
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * 0.5 * (1 + math.cos(math.pi * min(1.0, spent / (minutes * 60)))) + 1e-5
        optimiser.zero_grad(set_to_none=True)
        with half_precision():
            logits = model(inputs.to(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), target)
        loss.backward()
        optimiser.step()
        step += 1
        spent += time.perf_counter() - started
        running = float(loss.detach()) if step == 1 else 0.98 * running + 0.02 * float(loss.detach())
        if step % 50 == 0:
            print(f"step {step}  {spent / 60:.1f} of {minutes:g} min  loss {running:.3f}", flush=True)
        if spent - saved > 120 or spent >= minutes * 60:
            saved = spent
            part = checkpoint.with_suffix(".part")
            torch.save(
                {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "spent_s": spent, "step": step},
                part,
            )
            part.replace(checkpoint)
    return model.eval().to(memory_format=torch.contiguous_format)


def export(model: CompactUNet, path: Path) -> None:
    """Write the network with its sigmoid as ONNX, and check it against torch."""
    import onnxruntime

    whole = nn.Sequential(model, nn.Sigmoid()).eval()
    example = torch.zeros(1, 2, 64, 96)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        whole,
        (example,),
        str(path),
        input_names=["inputs"],
        output_names=["probability"],
        dynamo=False,
        dynamic_axes={"inputs": {2: "rows", 3: "cols"}, "probability": {2: "rows", 3: "cols"}},
    )
    probe = np.random.default_rng(3).normal(size=(1, 2, 160, 112)).astype(np.float32)
    (got,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"inputs": probe})
    wanted = whole(torch.from_numpy(probe)).detach().numpy()
    worst = float(np.abs(got - wanted).max())
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, ONNX Runtime within {worst:.1e} of torch")
    if worst > 1e-4:
        raise SystemExit("the exported network does not give what torch gave")


# --- the second look -----------------------------------------------------------------------------------------------


def fit_judge(paths: list[Path], model: Path, most_false: float) -> None:
    """Fit the logistic model of whole regions and write it beside the network.

    The threshold is the lowest that leaves at most `most_false` false regions a film.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    films = [_judged_regions(path, session) for path in paths]
    rows = np.vstack([rows for rows, _ in films])
    real = np.concatenate([real for _, real in films])
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    standard = np.clip((rows - mean) / scale, -3.0, 3.0)
    weights = _logistic(np.hstack([np.ones((len(rows), 1)), standard, standard**2]), real.astype(float))
    chance = 1 / (1 + np.exp(-np.hstack([np.ones((len(rows), 1)), standard, standard**2]) @ weights))
    false = np.sort(chance[~real])[::-1]
    allowed = int(most_false * len(films))
    threshold = float(np.clip(false[allowed] + 1e-4 if allowed < len(false) else 0.3, 0.2, 0.7))
    kept = chance >= threshold
    print(f"{len(films)} films, {real.sum()} real regions of {len(real)}; threshold {threshold:.3f}")
    print(f"{kept[real].mean():.3f} of the real ones kept, {(kept & ~real).sum() / len(films):.2f} false a film")
    stored = {
        "features": FEATURE_NAMES,
        "mean": mean.round(6).tolist(),
        "scale": scale.round(6).tolist(),
        "weights": weights.round(6).tolist(),
        "threshold": round(threshold, 4),
    }
    model.with_name(SETTINGS_FILE).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def _judged_regions(path: Path, session: object) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the figures of each region of a film, and whether it lies on a deposit."""
    with np.load(path, allow_pickle=False) as stored:
        film = {name: stored[name] for name in stored.files}
    factor = (float(film["factor"][0]), float(film["factor"][1]))
    regions = []
    for number, probability in enumerate(film["probabilities"], start=1):
        mask = film["classical"] == number
        if mask.any():
            (top, bottom), (left, right) = ((int(c.min()), int(c.max()) + 1) for c in np.nonzero(mask))
            regions.append(
                Region(
                    mask=mask[top:bottom, left:right],
                    corner=(top, left),
                    probability=float(probability),
                    factor=factor,
                )
            )
    evidence = Evidence(
        inputs=film["inputs"].astype(np.float32),
        factor=factor,
        limb=film["limb"],
        bone=film["bone"],
        classical=regions,
    )
    found, cells = candidates(evidence, probability_map(evidence.inputs, evidence.limb, session=session))
    truth = film["truth"] > 64
    on_truth = []
    for region in found:
        rows, cols = region.mask.shape
        here = truth[region.corner[0] : region.corner[0] + rows, region.corner[1] : region.corner[1] + cols]
        on_truth.append(here[region.mask].mean() >= 0.1)
    rows = np.array([describe(region, cells) for region in found]).reshape(len(found), len(FEATURE_NAMES))
    return rows, np.array(on_truth, dtype=bool)


def _logistic(terms: NDArray[np.float64], answer: NDArray[np.float64], ridge: float = 1.0) -> NDArray[np.float64]:
    """Return the weights of a ridge-penalised logistic regression, by Newton's steps; the first term is the bias."""
    penalty = ridge * np.diag([0.0, *np.ones(terms.shape[1] - 1)])
    weights = np.zeros(terms.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-terms @ weights))
        slope = terms.T @ (answer - chance) - penalty @ weights
        curvature = (terms * (chance * (1 - chance))[:, None]).T @ terms + penalty
        weights = weights + np.linalg.solve(curvature, slope)
    return weights


def usable_films(folder: Path | None) -> list[Path]:
    """Return the real films that may serve as backgrounds: none that is calcified, and none that is held out."""
    if folder is None:
        return []
    held_out = Path(__file__).with_name("held_out.txt").read_text(encoding="utf-8").split()
    limbs = sorted(path for path in (folder / "limbs").glob("synpic*.jpg") if path.name not in held_out)
    return [*limbs, folder / "dicom" / "hand_pa_adult_cr_j2k.dcm"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for films and checkpoints")
    parser.add_argument("--films", type=int, default=600, help="simulated films")
    parser.add_argument("--insertions", type=int, default=200, help="films made from the real ones")
    parser.add_argument("--real", type=Path, help="folder of real films (see the model card)")
    parser.add_argument("--judged", type=int, default=150, help="further films that the second look is fitted to")
    parser.add_argument("--most-false", type=float, default=0.35, help="false regions a film that set the threshold")
    parser.add_argument("--minutes", type=float, default=60.0, help="training time in all")
    parser.add_argument("--workers", type=int, default=2, help="processes that make films")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calcimeasure/segmentation/models/network.onnx"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    work, real = options.work, usable_films(options.real)
    workers = options.workers
    seeds = range(FIRST_SIMULATED_SEED, FIRST_SIMULATED_SEED + options.films)
    paths = make_films(work / "simulated", seeds, simulated, training_sample, workers)
    seeds = range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + options.judged)
    judged = make_films(work / "judged", seeds, simulated, judged_sample, workers)
    if real:
        put_in = partial(inserted, real=real)
        seeds = range(FIRST_INSERTED_SEED, FIRST_INSERTED_SEED + options.insertions)
        paths += make_films(work / "inserted", seeds, put_in, training_sample, workers)
        seeds = range(FIRST_JUDGED_INSERTED_SEED, FIRST_JUDGED_INSERTED_SEED + options.judged // 3)
        judged += make_films(work / "judged", seeds, put_in, judged_sample, workers)
    model = train(work, Patches(paths), options.minutes, options.threads)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(model, options.out)
    fit_judge(judged, options.out, options.most_false)


if __name__ == "__main__":
    main()
