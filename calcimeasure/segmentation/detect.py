"""From films of one limb to their deposits, for one, two or more films: `detect`.

Every film is aligned to the first. Pieces at one place on two films are decided together (`detection_fusion`), and
what was accepted on one film only is searched for on the other (`recover_missed`): on the first and each further film
in order, and on all but the last once more for what later films brought to the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import UsageError
from calcimeasure.io.film_inputs import FilmLike, SpacingLike, as_film
from calcimeasure.parallel import parallel_map
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.common_field import CommonField, common_field
from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.classical_segmenter import ClassicalSegmenter
from calcimeasure.segmentation.deposit_grouping import accept_proposals
from calcimeasure.segmentation.detection_fusion import find_correspondence, fuse_detections
from calcimeasure.segmentation.network_segmenter import NetworkSegmenter, network_installed
from calcimeasure.segmentation.presence import presence_image
from calcimeasure.segmentation.recover_missed import recover_missed
from calcimeasure.segmentation.segmenter import Proposals, Segmenter

METHODS = ("auto", "network", "classical")


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedFilm:
    """A film with its anatomy and how it lies on the first film of its limb.

    Attributes
    ----------
    alignment, field
        From the first film to this one, and what both show; None for the first film, and for one that is decided by
        itself.
    """

    film: Radiograph
    anatomy: Anatomy
    alignment: Alignment | None = None
    field: CommonField | None = None


def align_to_first(films: Sequence[Radiograph], anatomies: Sequence[Anatomy]) -> list[AlignedFilm]:
    """Return films aligned to the first of them; one that does not align, or is the same file, stands by itself."""
    aligned = []
    for index, (film, anatomy) in enumerate(zip(films, anatomies, strict=True)):
        alignment = field = None
        if index and film.sha256 != films[0].sha256:
            registration, alignment = register(films[0], film, baseline_anatomy=anatomies[0], followup_anatomy=anatomy)
            alignment = alignment if registration.status == "ok" else None
            field = None if alignment is None else common_field(anatomies[0], anatomy, alignment)
        aligned.append(AlignedFilm(film=film, anatomy=anatomy, alignment=alignment, field=field))
    return aligned


def detect(films: Sequence[AlignedFilm], method: str | Segmenter = "auto") -> list[DepositLabels]:
    """Return the deposits of each film of a limb, decided over all of them.

    Parameters
    ----------
    films
        Baseline first.
    method
        Name of a segmenter, or a segmenter.
    """
    segmenter = get_segmenter(method)
    proposals = parallel_map(lambda one: segmenter.propose(one.film, one.anatomy), films)
    return [accept_proposals(one) for one in decide(films, proposals)]


def decide(films: Sequence[AlignedFilm], proposals: Sequence[Proposals]) -> list[Proposals]:
    """Return each film's proposals as all films of the limb decide them."""
    aligned = {
        index: (film.alignment, film.field)
        for index, film in enumerate(films)
        if film.alignment is not None and film.field is not None
    }
    places = {
        index: find_correspondence(proposals[0], proposals[index], alignment, field)
        for index, (alignment, field) in aligned.items()
    }
    return _with_missed(films, fuse_detections(proposals, places), aligned)


def _with_missed(
    films: Sequence[AlignedFilm],
    proposals: Sequence[Proposals],
    aligned: Mapping[int, tuple[Alignment, CommonField]],
) -> list[Proposals]:
    """Return the proposals with those added that one film shows and only the other had accepted."""
    decided = list(proposals)
    images = {index: presence_image(films[index].film, films[index].anatomy) for index in (0, *aligned) if aligned}
    for index in (*aligned, *list(aligned)[:-1]):
        alignment, field = aligned[index]
        decided[0], decided[index] = recover_missed(
            (images[0], decided[0]), (images[index], decided[index]), alignment, field
        )
    return decided


def segment(
    film: FilmLike,
    *,
    spacing_mm: SpacingLike | None = None,
    method: str | Segmenter = "auto",
    anatomy: Anatomy | None = None,
) -> DepositLabels:
    """Return the deposits of a film.

    Parameters
    ----------
    film
        A `Radiograph`, the path of a file, a 2-D array (rows, columns; bone larger than air) or a SimpleITK image.
    spacing_mm
        Distance between the pixels of an array, in mm: one number, or (row, column). For a path it overrides the file.
    method
        ``auto`` (the best method that is installed), the name of one, or any object of the `Segmenter` protocol.
    anatomy
        The film's masks, where they are known already.

    Returns
    -------
    DepositLabels
        On the film's own pixels; every deposit with the probability that it is calcinosis. A film without a limb, or
        without a picture, has none and a warning.

    Raises
    ------
    UsageError
        When there is no method of that name, or `film` is none of the above.
    FilmError
        When the file or the array is not one film.

    See Also
    --------
    segment_points : The reader clicks, the program draws the boundary.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("grown")
    >>> labels = cm.segment(baseline)
    >>> labels.image.shape == baseline.shape, len(labels)
    (True, 5)
    """
    film = as_film(film, spacing_mm=spacing_mm)
    segmenter = get_segmenter(method)
    masks = find_anatomy(film) if anatomy is None else anatomy
    return detect([AlignedFilm(film=film, anatomy=masks)], segmenter)[0]


def get_segmenter(method: str | Segmenter = "auto") -> Segmenter:
    """Return the segmenter of a name; a segmenter itself is returned as it is.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if not isinstance(method, str):
        return method
    if method == "network" or (method == "auto" and network_installed()):
        return NetworkSegmenter()
    if method in {"auto", "classical"}:
        return ClassicalSegmenter()
    raise UsageError(f"there is no method '{method}'", remedy=f"Choose one of {', '.join(METHODS)}.")
