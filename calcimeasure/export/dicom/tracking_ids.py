"""Identifiers by which the same deposit is followed from visit to visit.

A tracking UID is made from the film and the deposit's own pixels. A deposit that is found again takes over the UID
it has on the baseline film, so every later visit that is compared with the same baseline uses one UID.
The parts of a split, a merge or a group keep their own and share a group UID.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from calcimeasure.change.change_records import LinkStatus
from calcimeasure.io.dicom_uids import content_uid

if TYPE_CHECKING:
    from calcimeasure.change.change_records import Comparison
    from calcimeasure.measurement.measurement_records import FilmMeasurement

_GROUPED = (LinkStatus.SPLIT, LinkStatus.MERGED, LinkStatus.GROUP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """The identifier of one deposit (``deposit 3``), its UID, and the UID that the parts of a group share."""

    identifier: str
    uid: str
    group_uid: str | None = None


def track_film(measurement: FilmMeasurement) -> tuple[Tracking, ...]:
    """Return the tracking of a film's deposits, one an entry, in the order of their labels."""
    labels = measurement.labels
    boxes = ndimage.find_objects(labels.image, max_label=len(labels))
    found = []
    for deposit, box in zip(labels.deposits, boxes, strict=True):
        mask = np.packbits(labels.image[box] == deposit.label).tobytes()
        corner = f"{box[0].start},{box[1].start},{box[0].stop},{box[1].stop}"
        uid = content_uid("deposit", measurement.film.sha256, corner, mask)
        found.append(Tracking(identifier=f"deposit {deposit.label}", uid=uid))
    return tuple(found)


def track_pair(comparison: Comparison) -> tuple[tuple[Tracking, ...], tuple[Tracking, ...]]:
    """Return the tracking of the baseline's and the follow-up's deposits.

    The baseline's deposits are called as they are when the baseline stands alone, and lend name and UID to what is
    the same on the follow-up.
    """
    baseline = list(track_film(comparison.baseline))
    followup = [replace(own, identifier=f"follow-up {own.identifier}") for own in track_film(comparison.followup)]
    for link in comparison.links:
        if link.status in _GROUPED:
            members = [baseline[label - 1].uid for label in link.baseline_labels]
            members += [followup[label - 1].uid for label in link.followup_labels]
            group = content_uid("group", *members)
            for side, labels in ((baseline, link.baseline_labels), (followup, link.followup_labels)):
                for label in labels:
                    side[label - 1] = replace(side[label - 1], group_uid=group)
        elif len(link.baseline_labels) == 1 and len(link.followup_labels) == 1:
            followup[link.followup_labels[0] - 1] = baseline[link.baseline_labels[0] - 1]
    return tuple(baseline), tuple(followup)
