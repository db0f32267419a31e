"""Compared pairs built by hand: a drawn hand with drawn deposits, seen twice in two poses.

Everything that segmenting, aligning and measuring would find out is given here, so that what leaves can be tested
without them. Areas are those of the drawn deposits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calcimeasure.anatomy.records import Anatomy
from calcimeasure.comparison.change import assess_change
from calcimeasure.comparison.records import Alignment, Comparison, Link, LinkStatus, Registration, Verdict
from calcimeasure.deposits import AreaMethod, Deposit, DepositLabels, Finding, Origin
from calcimeasure.measurement.records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import GreyRelationship, GreyScale, Identity, Radiograph, Spacing, SpacingBasis

BURNED_IN = "DOE^JANE 1949"
FINGERS = ((0.16, 0.42), (0.36, 0.12), (0.5, 0.07), (0.63, 0.11), (0.76, 0.2))

# Place and radius as shares of the film's height, then finding.
Blob = tuple[float, float, float, Finding]
BASELINE_BLOBS: tuple[Blob, ...] = (
    (0.15, 0.50, 0.012, Finding.CALCINOSIS),
    (0.32, 0.36, 0.018, Finding.CALCINOSIS),
    (0.36, 0.40, 0.008, Finding.CALCINOSIS),
    (0.52, 0.22, 0.010, Finding.CALCINOSIS),
    (0.80, 0.55, 0.013, Finding.VASCULAR),
)
FOLLOWUP_BLOBS: tuple[Blob, ...] = (
    (0.15, 0.50, 0.016, Finding.CALCINOSIS),
    (0.32, 0.36, 0.0183, Finding.CALCINOSIS),
    (0.36, 0.40, 0.0079, Finding.CALCINOSIS),
    (0.24, 0.64, 0.011, Finding.CALCINOSIS),
    (0.80, 0.55, 0.013, Finding.VASCULAR),
)
LINKS = (
    Link(status=LinkStatus.MATCHED, baseline_labels=(1,), followup_labels=(1,)),
    Link(status=LinkStatus.GROUP, baseline_labels=(2, 3), followup_labels=(2, 3)),
    Link(status=LinkStatus.RESOLVED, baseline_labels=(4,)),
    Link(status=LinkStatus.NEW, followup_labels=(4,)),
    Link(status=LinkStatus.MATCHED, baseline_labels=(5,), followup_labels=(5,)),
)


def drawn_hand(height: int) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Return grey values, limb mask and bone mask of a drawn hand, 0.8 as wide as it is high."""
    width = round(0.8 * height)
    soft, bone = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    at = lambda x, y: (round(x * width), round(y * height))  # noqa: E731
    cv2.ellipse(soft, at(0.5, 0.62), (round(0.27 * width), round(0.16 * height)), 0, 0, 360, 1, -1)
    cv2.rectangle(soft, at(0.36, 0.7), at(0.64, 1.0), 1, -1)
    for x, y in FINGERS:
        tip = np.array(at(x, y + 0.03))
        root = np.array(at(0.5 + (x - 0.5) * 0.55, 0.62))
        cv2.line(soft, tuple(map(int, tip)), tuple(map(int, root)), 1, round(0.1 * width))
        for start, end in ((0.0, 0.22), (0.26, 0.5), (0.54, 0.95)):
            p, q = tip + start * (root - tip), tip + end * (root - tip)
            cv2.line(bone, tuple(map(round, p)), tuple(map(round, q)), 1, round(0.042 * width))
    for x in (0.44, 0.56):
        cv2.line(bone, at(x, 0.78), at(x, 1.0), 1, round(0.06 * width))
    for x, y in ((0.42, 0.72), (0.5, 0.7), (0.58, 0.72), (0.46, 0.76), (0.54, 0.76)):
        cv2.circle(bone, at(x, y), round(0.035 * width), 1, -1)
    thickness = cv2.GaussianBlur(soft.astype(np.float32), (0, 0), 0.012 * height) * soft
    grey = 200 + 900 * thickness + 700 * cv2.GaussianBlur(bone.astype(np.float32), (0, 0), 0.003 * height) * soft
    return grey.astype(np.float32), soft, bone.astype(bool)


def draw_film(
    blobs: tuple[Blob, ...], *, height: int, matrix: NDArray[np.float64], spacing: Spacing, seed: int
) -> FilmMeasurement:
    """Return a measured film of the hand with deposits, in the pose that `matrix` (x, y in pixels) gives it."""
    grey, limb, bone = drawn_hand(height)
    labels = np.zeros(grey.shape, np.uint16)
    for number, (y, x, radius, _) in enumerate(blobs, start=1):
        centre = (round(x * grey.shape[1]), round(y * height))
        axes = (max(round(radius * height), 2), max(round(0.8 * radius * height), 2))
        cv2.ellipse(labels, centre, axes, 30 * number, 0, 360, number, -1)
    grey = grey + 900 * cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 0.001 * height)
    size = (grey.shape[1], height)
    grey, limb, labels = (
        cv2.warpAffine(image, matrix, size, flags=flags)
        for image, flags in ((grey, cv2.INTER_LINEAR), (limb, cv2.INTER_NEAREST), (labels, cv2.INTER_NEAREST))
    )
    bone = cv2.warpAffine(bone.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST).astype(bool)
    grey = np.where(limb > 0, grey, 150).astype(np.float32)
    text = np.zeros(grey.shape, np.uint8)
    cv2.putText(text, BURNED_IN, (4, round(0.97 * height)), cv2.FONT_HERSHEY_SIMPLEX, height / 1500, 255, 2)
    grey[(text > 0) & (limb == 0)] = 3900
    grey += np.random.default_rng(seed).normal(0, 12, grey.shape).astype(np.float32)
    film = Radiograph(
        pixels=grey,
        spacing=spacing,
        grey=GreyScale(lowest=0, highest=4095, relationship=GreyRelationship.LOGARITHMIC),
        identity=Identity(patient_key="k", side="L", body_part="HAND", view="PA", study_date=f"2024-0{seed}-03"),
        path=Path("/clinic/Doe Jane") / f"film{seed}.dcm",
        warnings=("Drawn, not exposed.",),
    )
    return measured(film, limb, bone, labels, blobs)


def measured(
    film: Radiograph,
    limb: NDArray[np.uint8],
    bone: NDArray[np.bool_],
    labels: NDArray[np.uint16],
    blobs: tuple[Blob, ...],
) -> FilmMeasurement:
    step = 2
    cells = (slice(None, None, step), slice(None, None, step))
    anatomy = Anatomy(
        step=step, field=np.ones_like(limb, bool)[cells], limbs=limb[cells], bone=bone[cells], shape=film.shape
    )
    pixel = film.spacing.pixel_area_mm2
    deposits, rows = [], []
    for number, (_, _, _, finding) in enumerate(blobs, start=1):
        mask = labels == number
        area = float(mask.sum())
        centre = np.argwhere(mask).mean(axis=0)
        deposits.append(Deposit(label=number, finding=finding, origin=Origin.AUTO, confidence=0.9))
        rows.append(
            DepositMeasurement(
                label=number,
                finding=finding,
                area_mm2=None if pixel is None else area * pixel,
                area_se_mm2=None if pixel is None else 0.03 * area * pixel,
                area_px=area,
                area_se_px=0.03 * area,
                area_method=AreaMethod.EDGE_MODEL,
                centroid_row=float(centre[0]),
                centroid_col=float(centre[1]),
                limb=1,
                over_bone_fraction=float(bone[mask].mean()),
                confidence=0.9,
                origin=Origin.AUTO,
                integrated_contrast=None,
            )
        )
    total = sum(row.area_px for row in rows if row.finding is Finding.CALCINOSIS)
    return FilmMeasurement(
        film=film,
        labels=DepositLabels(
            image=labels, deposits=tuple(deposits), method="drawn/1", film_sha256=film.sha256, warnings=("Drawn.",)
        ),
        deposits=tuple(rows),
        total_area_px=total,
        total_area_se_px=0.02 * total,
        total_area_mm2=None if pixel is None else total * pixel,
        total_area_se_mm2=None if pixel is None else 0.02 * total * pixel,
        warnings=film.warnings,
        anatomy=anatomy,
    )


def draw_pair(
    *,
    height: int = 500,
    spacing: Spacing | None = None,
    baseline_blobs: tuple[Blob, ...] = BASELINE_BLOBS,
    followup_blobs: tuple[Blob, ...] = FOLLOWUP_BLOBS,
    links: tuple[Link, ...] = LINKS,
) -> Comparison:
    """Return a compared pair; the follow-up is turned by 6 degrees and shifted."""
    if spacing is None:
        side = 200.0 / height
        spacing = Spacing(row_mm=side, col_mm=side, basis=SpacingBasis.DETECTOR, note="ImagerPixelSpacing 0.1")
    still = np.float64([[1, 0, 0], [0, 1, 0]])
    turned = cv2.getRotationMatrix2D((0.4 * height, 0.5 * height), 6, 1.0)
    turned[:, 2] += (0.01 * height, -0.006 * height)
    baseline = draw_film(baseline_blobs, height=height, matrix=still, spacing=spacing, seed=1)
    followup = draw_film(followup_blobs, height=height, matrix=turned, spacing=spacing, seed=4)
    swap = np.float64([[turned[1, 1], turned[1, 0], turned[1, 2]], [turned[0, 1], turned[0, 0], turned[0, 2]]])
    registration = Registration(
        status="ok", scale=1.004, scale_se=0.002, scale_applied=True, rms_mm=0.4, rms_px=3.0, rotation_deg=6.0
    )
    change = assess_change(links, baseline, followup, registration)
    return Comparison(
        baseline=baseline,
        followup=followup,
        registration=registration,
        alignment=Alignment(matrix=swap),
        **change.comparison_fields(),
    )


@pytest.fixture(scope="session")
def pair() -> Comparison:
    """A deposit that grew, a group that did not, one resolved, one new, a vascular one."""
    return draw_pair()


@pytest.fixture(scope="session")
def build_pair() -> Callable[..., Comparison]:
    """The function that makes pairs, for other findings, links, sizes and spacings."""
    return draw_pair


@pytest.fixture(scope="session")
def not_comparable(pair: Comparison) -> Comparison:
    """A pair that was refused: no alignment, no links, no numbers."""
    return Comparison(
        baseline=pair.baseline,
        followup=replace(pair.followup, labels=pair.followup.labels),
        registration=Registration(status="failed", reason="The outlines do not fit one another."),
        alignment=None,
        links=(),
        verdict=Verdict.NOT_COMPARABLE,
        reasons=("The films could not be aligned: the outlines do not fit one another.",),
    )
