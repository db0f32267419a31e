"""From links to the change of a pair: burden, variance, Holm, zero cases, and what swapping the films does."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimeasure.change.burden_change import METHOD_WARNING, PROCESSING_WARNING, assess_change
from calcimeasure.change.change_records import Change, Comparison, Link, LinkStatus, Verdict
from calcimeasure.change.intervals import IntervalModel
from calcimeasure.deposits import AreaMethod, DepositLabels, Finding, Origin
from calcimeasure.errors import LabelsError, UsageError
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.registration.registration_records import Registration

SPACING_MM = 0.1
EXACT = IntervalModel(repositioning_sd=0.0, magnification_sd=0.0, degrees_of_freedom=8)
OK = Registration(status="ok")


def deposit(label: int, area_px: float, se_px: float = 1.0, **fields: object) -> DepositMeasurement:
    values: dict[str, object] = {
        "label": label,
        "finding": Finding.CALCINOSIS,
        "area_px": area_px,
        "area_se_px": se_px,
        "area_mm2": area_px * SPACING_MM**2,
        "area_se_mm2": se_px * SPACING_MM**2,
        "area_method": AreaMethod.EDGE_MODEL,
        "centroid_row": 0.0,
        "centroid_col": 0.0,
        "limb": 1,
        "over_bone_fraction": 0.0,
        "confidence": 1.0,
        "origin": Origin.AUTO,
        "integrated_contrast": None,
    }
    return DepositMeasurement(**(values | fields))  # type: ignore[arg-type]


def film(*deposits: DepositMeasurement, spacing: bool = True, total_se_px: float = 0.0) -> FilmMeasurement:
    """A measured film of a few pixels: the rules look at the numbers alone."""
    cell_spacing = Spacing(row_mm=SPACING_MM, col_mm=SPACING_MM, basis=SpacingBasis.USER) if spacing else Spacing()
    total = math.fsum(d.area_px for d in deposits if d.finding is Finding.CALCINOSIS)
    return FilmMeasurement(
        film=Radiograph(pixels=np.zeros((2, 2), np.float32), spacing=cell_spacing, grey=GreyScale(lowest=0, highest=1)),
        labels=DepositLabels(image=np.zeros((2, 2), np.uint16)),
        deposits=deposits,
        total_area_px=total,
        total_area_se_px=total_se_px,
        total_area_mm2=None,
        total_area_se_mm2=None,
    )


def matched(baseline: int, followup: int) -> Link:
    return Link(status=LinkStatus.MATCHED, baseline_labels=(baseline,), followup_labels=(followup,))


def one_pair(before_px: float, after_px: float, se_px: float = 1.0, **given_options: object) -> Change:
    before, after = film(deposit(1, before_px, se_px)), film(deposit(1, after_px, se_px))
    options: dict[str, object] = {"model": EXACT} | given_options
    return assess_change([matched(1, 1)], before, after, OK, **options)  # type: ignore[arg-type]


def test_a_worked_pair() -> None:
    # Areas 1000 and 1100 px of 0.01 mm², SE 20 px each: r = ln 1.1 = 0.09531, SE = sqrt(0.02² + (20/1100)²) = 0.02703,
    # and q = 2.306 of 8 degrees of freedom.
    change = one_pair(1000.0, 1100.0, 20.0)
    assert change.baseline_common_area_mm2 == pytest.approx(10.0)
    assert change.followup_common_area_mm2 == pytest.approx(11.0)
    assert change.total_area_change_mm2 == pytest.approx(1.0)
    assert change.total_area_change_percent == pytest.approx(10.0)
    assert change.log_ratio_se == pytest.approx(0.027030, abs=1e-6)
    assert change.ci95_percent == pytest.approx((3.3530, 17.0749), abs=1e-3)
    assert change.smallest_detectable_change_percent == pytest.approx(6.4316, abs=1e-3)
    assert change.verdict is Verdict.NO_CHANGE
    assert change.detectable is True
    assert change.changed_links == (1,)
    assert change.area_change_band == "stable"


def test_the_fields_are_those_of_a_comparison() -> None:
    before, after = film(deposit(1, 100.0)), film(deposit(1, 100.0))
    change = assess_change([matched(1, 1)], before, after, OK)
    comparison = Comparison(
        baseline=before,
        followup=after,
        registration=OK,
        alignment=None,
        change=change,
    )
    assert comparison.verdict is change.verdict
    assert comparison.ci90_percent == change.ci90_percent


def test_the_scale_brings_the_follow_up_to_the_baselines_magnification() -> None:
    # Bones 2 % longer on the follow-up: its area is 4.04 % too large; 1040.4 px are 1000 px at the baseline's height.
    registration = Registration(status="ok", scale=1.02, scale_se=0.01, scale_applied=True)
    before, after = film(deposit(1, 1000.0, 0.0)), film(deposit(1, 1040.4, 0.0))
    change = assess_change([matched(1, 1)], before, after, registration, repositioning_sd=0.0)
    assert change.total_area_change_percent == pytest.approx(0.0, abs=1e-9)
    assert change.followup_common_area_mm2 == pytest.approx(10.0)
    assert change.followup_common_area_px == pytest.approx(1040.4)
    assert change.links[0].followup_area_mm2 == pytest.approx(10.0)
    # The scale's error enters twice: 2 x 0.01 / 1.02.
    assert change.log_ratio_se == pytest.approx(0.02 / 1.02)


def test_without_an_applied_scale_the_magnification_prior_is_carried() -> None:
    change = one_pair(1000.0, 1000.0, 0.0, model=IntervalModel(repositioning_sd=0.03, magnification_sd=0.04))
    assert change.log_ratio_se == pytest.approx(0.05)


def test_without_spacing_percent_stands_and_mm2_is_absent() -> None:
    before, after = film(deposit(1, 100.0), spacing=False), film(deposit(1, 110.0), spacing=False)
    change = assess_change([matched(1, 1)], before, after, OK)
    assert change.total_area_change_percent == pytest.approx(10.0)
    assert change.total_area_change_mm2 is None
    assert change.links[0].baseline_area_mm2 is None


def test_only_calcinosis_counts_for_the_burden() -> None:
    before = film(deposit(1, 100.0), deposit(2, 50.0, finding=Finding.VASCULAR))
    after = film(deposit(1, 100.0), deposit(2, 500.0, finding=Finding.VASCULAR))
    change = assess_change([matched(1, 1), matched(2, 2)], before, after, OK)
    assert change.baseline_common_area_px == pytest.approx(100.0)
    assert change.total_area_change_percent == pytest.approx(0.0)
    # The vessel's own change is told, but it does not qualify the verdict.
    assert change.links[1].area_change_percent == pytest.approx(900.0)
    assert change.changed_links == ()


def test_grouping_never_changes_the_burden() -> None:
    before = film(deposit(1, 60.0), deposit(2, 40.0))
    after = film(deposit(1, 50.0), deposit(2, 50.0))
    apart = assess_change([matched(1, 1), matched(2, 2)], before, after, OK)
    group = Link(status=LinkStatus.GROUP, baseline_labels=(1, 2), followup_labels=(1, 2))
    together = assess_change([group], before, after, OK)
    assert together.log_ratio == apart.log_ratio
    assert together.log_ratio_se == apart.log_ratio_se


def test_only_the_common_field_counts() -> None:
    before = film(deposit(1, 100.0), deposit(2, 900.0))
    after = film(deposit(1, 100.0))
    hidden = Link(status=LinkStatus.NOT_EVALUABLE, baseline_labels=(2,), reason="outside the common field")
    change = assess_change([matched(1, 1), hidden], before, after, OK)
    assert change.baseline_common_area_px == pytest.approx(100.0)
    assert change.total_area_change_percent == pytest.approx(0.0)
    assert change.links[1].detectable is None
    assert change.links[1].reason == "outside the common field"


def test_a_deposit_cut_by_the_edge_of_the_field_counts_with_the_part_inside() -> None:
    link = replace(matched(1, 1), baseline_area_px=40.0, followup_area_px=40.0)
    change = assess_change([link], film(deposit(1, 100.0)), film(deposit(1, 40.0)), OK)
    assert change.total_area_change_percent == pytest.approx(0.0)


def test_holm_spares_a_small_change_among_many() -> None:
    # One link at |r|/SE = ln(1.078) / (0.02 sqrt 2) = 2.655 with 8 df: p = 0.029, detectable alone, not among four.
    deposits = [deposit(n, 1000.0, 20.0) for n in (1, 2, 3, 4)]
    grown = [deposit(1, 1078.0, 21.56), *deposits[1:]]
    alone = assess_change([matched(1, 1)], film(deposits[0]), film(grown[0]), OK, model=EXACT)
    among = assess_change([matched(n, n) for n in (1, 2, 3, 4)], film(*deposits), film(*grown), OK, model=EXACT)
    assert alone.links[0].detectable is True
    assert among.links[0].detectable is False
    # The interval of a link is not adjusted: it is the same alone and among others.
    assert among.links[0].ci95_percent == alone.links[0].ci95_percent


def test_new_and_resolved_deposits_are_listed_under_no_change() -> None:
    before = film(deposit(1, 10000.0, 50.0), deposit(2, 100.0, 5.0))
    after = film(deposit(1, 10000.0, 50.0), deposit(2, 100.0, 5.0))
    links = [
        matched(1, 1),
        Link(status=LinkStatus.RESOLVED, baseline_labels=(2,)),
        Link(status=LinkStatus.NEW, followup_labels=(2,)),
    ]
    change = assess_change(links, before, after, OK, baseline_lod_px=50.0, followup_lod_px=200.0)
    assert change.verdict is Verdict.NO_CHANGE
    assert change.changed_links == (2, 3)
    assert change.links[1].detectable is False
    assert change.links[2].detectable is True
    assert change.links[2].log_ratio is None


def test_doubtful_unmatched_deposits_widen_the_interval() -> None:
    before = film(deposit(1, 1000.0, 0.0))
    links = [matched(1, 1), Link(status=LinkStatus.NEW, followup_labels=(2,))]
    sure = assess_change(links, before, film(deposit(1, 1000.0, 0.0), deposit(2, 100.0, 0.0)), OK, model=EXACT)
    doubtful = film(deposit(1, 1000.0, 0.0), deposit(2, 100.0, 0.0, confidence=0.5))
    unsure = assess_change(links, before, doubtful, OK, model=EXACT)
    assert sure.log_ratio_se == 0.0
    # a² c (1 - c) = 100² x 0.25: 50 px of the 1100.
    assert unsure.log_ratio_se == pytest.approx(50.0 / 1100.0)
    # The same doubt about a deposit that both films show is no doubt about change.
    both = film(deposit(1, 1000.0, 0.0, confidence=0.5))
    assert assess_change([matched(1, 1)], both, both, OK, model=EXACT).log_ratio_se == 0.0


def test_detection_errors_given_by_the_caller_enter_each_side() -> None:
    change = one_pair(1000.0, 2000.0, 0.0, baseline_detection_se_px=30.0, followup_detection_se_px=80.0)
    assert change.log_ratio_se == pytest.approx(0.05)


def test_errors_that_deposits_of_a_film_share_are_not_averaged_away() -> None:
    before = film(deposit(1, 100.0, 3.0), deposit(2, 100.0, 4.0), total_se_px=20.0)
    after = film(deposit(1, 100.0, 0.0), deposit(2, 100.0, 0.0))
    change = assess_change([matched(1, 1), matched(2, 2)], before, after, OK, model=EXACT)
    assert change.log_ratio_se == pytest.approx(0.1)


def test_a_matched_deposit_keeps_its_shape_so_that_only_the_repeat_error_counts() -> None:
    before = film(deposit(1, 100.0, 9.0, area_se_repeat_px=3.0))
    after = film(deposit(1, 100.0, 9.0, area_se_repeat_px=4.0))
    matched_pair = assess_change([matched(1, 1)], before, after, OK, model=EXACT)
    assert matched_pair.log_ratio_se == pytest.approx(0.05)
    # Grouped, its shape is not the same: the whole error counts.
    group = Link(status=LinkStatus.GROUP, baseline_labels=(1,), followup_labels=(1,))
    assert assess_change([group], before, after, OK, model=EXACT).log_ratio_se == pytest.approx(0.09 * math.sqrt(2))
    # So it does where one side was painted.
    painted = film(deposit(1, 100.0, 9.0, area_se_repeat_px=4.0, area_method=AreaMethod.OUTLINE))
    mixed = assess_change([matched(1, 1)], before, painted, OK, model=EXACT)
    assert mixed.variances is not None
    assert mixed.variances.measurement == pytest.approx(2 * 0.09**2)


def test_a_ratio_from_both_films_together_moves_both_areas_by_half() -> None:
    before, after = film(deposit(1, 100.0, 9.0)), film(deposit(1, 121.0, 9.0))
    change = assess_change([matched(1, 1)], before, after, OK, model=EXACT, pair_ratios={1: (math.log(1.44), 0.02)})
    assert change.log_ratio == pytest.approx(math.log(1.44))
    assert change.log_ratio_se == pytest.approx(0.02)
    # The geometric mean of 100 and 121 is 110; 110 / 1.2 and 110 x 1.2.
    assert change.baseline_common_area_px == pytest.approx(110 / 1.2)
    assert change.followup_common_area_px == pytest.approx(132.0)
    link = change.links[0]
    assert (link.log_ratio, link.log_ratio_se) == pytest.approx((math.log(1.44), 0.02))
    assert change.baseline_common_area_mm2 is not None
    assert change.total_area_change_mm2 == pytest.approx(0.44 * change.baseline_common_area_mm2)


def test_a_ratio_of_both_films_is_weighed_by_area_in_the_burden() -> None:
    before = film(deposit(1, 300.0, 0.0), deposit(2, 100.0, 0.0))
    change = assess_change(
        [matched(1, 1), matched(2, 2)], before, before, OK, model=EXACT, pair_ratios={1: (0.0, 0.04)}
    )
    assert change.log_ratio == 0.0
    assert change.log_ratio_se == pytest.approx(0.75 * 0.04)


def test_a_ratio_of_both_films_is_not_used_for_a_deposit_cut_by_the_field_or_painted() -> None:
    ratios = {1: (0.5, 0.01)}
    cut = replace(matched(1, 1), baseline_area_px=40.0, followup_area_px=100.0)
    whole = film(deposit(1, 100.0))
    change = assess_change([cut], whole, whole, OK, pair_ratios=ratios)
    assert change.log_ratio == pytest.approx(math.log(2.5))
    painted = film(deposit(1, 100.0, area_method=AreaMethod.OUTLINE))
    assert assess_change([matched(1, 1)], painted, painted, OK, pair_ratios=ratios).log_ratio == 0.0


def test_a_painted_and_a_modelled_side_widen_and_warn() -> None:
    painted = film(deposit(1, 100.0, 0.0, area_method=AreaMethod.OUTLINE), deposit(2, 300.0, 0.0))
    modelled = film(deposit(1, 100.0, 0.0), deposit(2, 300.0, 0.0))
    change = assess_change([matched(1, 1), matched(2, 2)], painted, modelled, OK, model=EXACT)
    assert change.warnings == (METHOD_WARNING,)
    assert change.links[0].log_ratio_se == pytest.approx(0.10)
    assert change.links[1].log_ratio_se == 0.0
    assert change.log_ratio_se == pytest.approx(0.025)
    same = assess_change([matched(1, 1), matched(2, 2)], painted, painted, OK, model=EXACT)
    assert same.warnings == ()


def test_different_processing_widens_and_warns() -> None:
    change = one_pair(100.0, 100.0, 0.0, processing_differs=True)
    assert change.log_ratio_se == pytest.approx(0.05)
    assert change.warnings == (PROCESSING_WARNING,)


def test_no_deposits_on_either_film() -> None:
    change = assess_change([], film(), film(), OK)
    assert change.verdict is Verdict.NO_DEPOSITS
    assert change.total_area_change_percent is None
    assert change.total_area_change_mm2 == 0.0


def test_deposits_that_cannot_be_compared_are_not_no_deposits() -> None:
    hidden = Link(status=LinkStatus.NOT_EVALUABLE, baseline_labels=(1,))
    change = assess_change([hidden], film(deposit(1, 100.0)), film(), OK)
    assert change.verdict is Verdict.INDETERMINATE
    assert change.reasons


@pytest.mark.parametrize(("lod_px", "verdict"), [(50.0, "increase"), (200.0, "indeterminate"), (None, "indeterminate")])
def test_from_zero(lod_px: float | None, verdict: str) -> None:
    link = Link(status=LinkStatus.NEW, followup_labels=(1,))
    change = assess_change([link], film(), film(deposit(1, 100.0)), OK, baseline_lod_px=lod_px)
    assert change.verdict == verdict
    assert change.total_area_change_percent is None
    assert change.ci95_percent is None
    assert change.smallest_detectable_change_percent is None
    assert change.total_area_change_mm2 == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("links", "problem"),
    [
        ([], "in no link"),
        ([matched(1, 1), replace(matched(1, 1), followup_labels=())], "2 links"),
        ([matched(1, 1), Link(status=LinkStatus.NEW, followup_labels=(7,))], "not there"),
    ],
)
def test_links_that_would_miscount_are_refused(links: list[Link], problem: str) -> None:
    with pytest.raises(LabelsError, match=problem):
        assess_change(links, film(deposit(1, 100.0)), film(deposit(1, 100.0)), OK)


def test_a_negative_repositioning_sd_is_refused() -> None:
    with pytest.raises(UsageError, match="repositioning_sd"):
        one_pair(100.0, 100.0, repositioning_sd=-1.0)


SWAPPED = {
    LinkStatus.NEW: LinkStatus.RESOLVED,
    LinkStatus.RESOLVED: LinkStatus.NEW,
    LinkStatus.SPLIT: LinkStatus.MERGED,
    LinkStatus.MERGED: LinkStatus.SPLIT,
}
MIRRORED = {Verdict.INCREASE: Verdict.DECREASE, Verdict.DECREASE: Verdict.INCREASE}
SYMMETRIC_MARGIN = (math.exp(-0.25), math.exp(0.25))


def swap(link: Link) -> Link:
    return Link(
        status=SWAPPED.get(link.status, link.status),
        baseline_labels=link.followup_labels,
        followup_labels=link.baseline_labels,
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[FilmMeasurement, FilmMeasurement, list[Link]]:
    """Pairs of films with every status of link, painted and modelled deposits, doubt, and shared errors."""
    before: list[DepositMeasurement] = []
    after: list[DepositMeasurement] = []
    links: list[Link] = []
    shapes = {
        LinkStatus.MATCHED: (1, 1),
        LinkStatus.SPLIT: (1, 2),
        LinkStatus.MERGED: (2, 1),
        LinkStatus.GROUP: (2, 2),
        LinkStatus.NEW: (0, 1),
        LinkStatus.RESOLVED: (1, 0),
        LinkStatus.NOT_EVALUABLE: (1, 0),
    }
    for status in draw(st.lists(st.sampled_from(list(shapes)), max_size=6)):
        labels = []
        for side, count in zip((before, after), shapes[status], strict=True):
            start = len(side)
            for label in range(start + 1, start + count + 1):
                area = draw(st.floats(1.0, 1e4))
                method = draw(st.sampled_from(list(AreaMethod)))
                confidence = draw(st.floats(0.0, 1.0))
                relative_se = draw(st.floats(0.0, 0.3))
                repeat = draw(st.sampled_from([None, 0.5 * relative_se * area]))
                given_se = {"confidence": confidence, "area_se_repeat_px": repeat}
                side.append(deposit(label, area, relative_se * area, area_method=method, **given_se))
            labels.append(tuple(range(start + 1, start + count + 1)))
        links.append(Link(status=status, baseline_labels=labels[0], followup_labels=labels[1]))
    errors = st.floats(0.0, 100.0)
    return film(*before, total_se_px=draw(errors)), film(*after, total_se_px=draw(errors)), links


@settings(deadline=None)
@given(pairs(), st.one_of(st.none(), st.floats(0.9, 1.1)), st.floats(1.0, 1e4), st.floats(1.0, 1e4))
def test_swapping_the_films_mirrors_everything(
    pair: tuple[FilmMeasurement, FilmMeasurement, list[Link]], scale: float | None, lod_1: float, lod_2: float
) -> None:
    before, after, links = pair
    # Every other link comes with a ratio from both films together.
    ratios = {number: (0.3 / number - 0.1, 0.02) for number in range(1, len(links) + 1, 2)}
    turned = {number: (-value, se) for number, (value, se) in ratios.items()}
    there = Registration(status="ok", scale=scale, scale_se=0.01, scale_applied=scale is not None)
    back = there
    if scale is not None:
        back = Registration(status="ok", scale=1.0 / scale, scale_se=0.01 / scale**2, scale_applied=True)
    one = assess_change(
        links,
        before,
        after,
        there,
        baseline_lod_px=lod_1,
        followup_lod_px=lod_2,
        margin_ratio=SYMMETRIC_MARGIN,
        pair_ratios=ratios,
    )
    two = assess_change(
        [swap(link) for link in links],
        after,
        before,
        back,
        baseline_lod_px=lod_2,
        followup_lod_px=lod_1,
        margin_ratio=SYMMETRIC_MARGIN,
        pair_ratios=turned,
    )
    assert two.verdict == MIRRORED.get(one.verdict, one.verdict)
    assert (two.detectable, two.beyond_margin, two.changed_links) == (
        one.detectable,
        one.beyond_margin,
        one.changed_links,
    )
    assert [link.detectable for link in two.links] == [link.detectable for link in one.links]
    if one.log_ratio is None or two.log_ratio is None:
        assert one.log_ratio is two.log_ratio
    elif scale is None:
        assert two.log_ratio == -one.log_ratio
        assert two.log_ratio_se == one.log_ratio_se
    else:
        # 1 / scale is itself rounded, in the last digit.
        assert two.log_ratio == pytest.approx(-one.log_ratio, abs=1e-14)
        assert two.log_ratio_se == pytest.approx(one.log_ratio_se)


@settings(deadline=None)
@given(pairs())
def test_no_number_is_ever_nan_or_infinite(pair: tuple[FilmMeasurement, FilmMeasurement, list[Link]]) -> None:
    before, after, links = pair
    change = assess_change(links, before, after, OK)
    numbers: list[object] = [getattr(change, one.name) for one in fields(change)]
    for link in change.links:
        numbers += [link.log_ratio, link.log_ratio_se, link.area_change_percent, *(link.ci95_percent or ())]
    assert all(math.isfinite(value) for value in numbers if isinstance(value, float))
