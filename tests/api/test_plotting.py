"""Figures and notebook summaries: what they show, and what they must not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.text
import numpy as np
import pytest
from matplotlib.figure import Figure

import calcimeasure as cm
from calcimeasure.change import verdict_sentence
from calcimeasure.errors import MissingExtraError, UsageError
from calcimeasure.radiograph import Identity


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


@pytest.fixture
def film() -> cm.Radiograph:
    """Values 0 to 199 from top to bottom, 0.2 mm high and 0.1 mm wide pixels."""
    return cm.film_from_array(np.indices((200, 120))[0].astype(float), spacing_mm=(0.2, 0.1))


def test_a_film_is_drawn_in_mm_with_the_outline_of_each_deposit(film: cm.Radiograph, tmp_path: Path) -> None:
    mask = np.zeros(film.shape, bool)
    mask[50:60, 20:40] = mask[120:130, 70:80] = True
    figure = film.plot(labels=mask.astype(int) + mask * (np.indices(film.shape)[0] > 100))
    (axes,) = figure.axes
    assert axes.get_xlabel() == "column (mm)"
    left, right, bottom, top = axes.images[0].get_extent()
    assert (left, right, bottom, top) == pytest.approx((-0.05, 11.95, 39.9, -0.1))
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    x, y = axes.lines[0].get_data()
    # Half way between the pixels' centres, in mm.
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((1.95, 3.95, 9.9, 11.9))
    figure.savefig(tmp_path / "film.png")
    assert (tmp_path / "film.png").read_bytes() == film.plot(labels=cm.labels_from_array(mask))._repr_png_()


def test_window_and_mask_decide_what_is_black(film: cm.Radiograph) -> None:
    mask = np.indices(film.shape)[0] >= 150
    image = film.plot(mask=mask).axes[0].images[0]
    assert image.get_clim() == pytest.approx((150.0, 199.0))
    assert float(image.get_array()[:150].max()) == 150.0  # drawn black
    assert film.plot(window=(10, 20)).axes[0].images[0].get_clim() == (10, 20)


def test_without_spacing_the_axes_are_in_pixels_of_their_shape() -> None:
    film = cm.film_from_array(np.eye(40, 60))
    axes = film.plot().axes[0]
    assert axes.get_ylabel() == "row (pixels)"
    assert axes.get_aspect() == 1.0


def test_a_given_axes_is_drawn_on(film: cm.Radiograph) -> None:
    figure = Figure()
    axes = figure.subplots()
    assert film.plot(axes) is figure
    assert len(axes.images) == 1


def test_labels_of_another_shape_are_refused(film: cm.Radiograph) -> None:
    with pytest.raises(UsageError, match=r"labels: it has the shape \(120, 200\), the film \(200, 120\)"):
        film.plot(labels=np.zeros((120, 200), int))


def test_a_pair_is_drawn_side_by_side_numbered_by_link(pair: cm.Comparison) -> None:
    figure = pair.plot()
    assert [axes.get_title() for axes in figure.axes] == ["Baseline", "Follow-up"]
    assert " ".join(figure.get_suptitle().split()) == verdict_sentence(pair)
    for axes, side in zip(figure.axes, ("baseline_labels", "followup_labels"), strict=True):
        numbers = [n for n, link in enumerate(pair.links, start=1) for _ in getattr(link, side)]
        assert sorted(text.get_text() for text in axes.texts if text.get_text()) == sorted(map(str, numbers))
    assert pair.baseline.anatomy is not None
    outside = ~pair.baseline.anatomy.on_film(pair.baseline.anatomy.limbs > 0).astype(bool)
    drawn = figure.axes[0].images[0]
    assert np.unique(drawn.get_array()[outside]).tolist() == [np.float32(drawn.get_clim()[0])]
    with pytest.raises(UsageError, match="Pass one matplotlib Axes per film"):
        pair.plot([Figure().subplots()])


def test_a_pair_that_cannot_be_compared_is_drawn_too(not_comparable: cm.Comparison) -> None:
    assert "cannot be compared" in not_comparable.plot().get_suptitle()


def test_nothing_of_the_header_or_path_is_shown(pair: cm.Comparison) -> None:
    identity = Identity(patient_key="SECRETKEY", study_date="2031-05-06", age_years=47.25, side="L")
    film = replace(pair.baseline.film, identity=identity, path=Path("/home/SECRETNAME/film.dcm"))
    secret = replace(pair, baseline=replace(pair.baseline, film=film))
    shown = [*texts(film.plot()), *texts(secret.plot()), film._repr_html_(), secret._repr_html_(), repr(film)]
    for word in ("SECRET", "2031", "47.25"):
        assert not any(word in text for text in shown)


def test_notebook_summaries_escape_and_say_the_verdict(pair: cm.Comparison, film: cm.Radiograph) -> None:
    odd = replace(film, identity=Identity(view="<script>alert(1)</script>"))
    assert "&lt;script&gt;" in odd._repr_html_()
    assert "<script>" not in odd._repr_html_()
    assert "200 x 120 pixels of 0.2 x 0.1 mm" in odd._repr_html_()
    labels = cm.labels_from_array(np.eye(200, 120, dtype=int), film, method="<b>mine</b>")
    assert "1 deposits (&lt;b&gt;mine&lt;/b&gt;)" in labels._repr_html_()
    assert verdict_sentence(pair).split(":")[0] in pair._repr_html_()
    assert f"{len(pair.baseline.deposits)} deposits" in pair._repr_html_()


def test_matplotlib_that_is_missing_is_named(film: cm.Radiograph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'calcimeasure\[plot\]'"):
        film.plot()


def test_plotting_touches_no_pyplot() -> None:
    code = (
        "import sys, numpy as np, calcimeasure as cm; film = cm.film_from_array(np.eye(40, 60)); "
        "before = 'matplotlib' in sys.modules; film.plot(); print(before, 'matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )
