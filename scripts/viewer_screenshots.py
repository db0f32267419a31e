"""Take the pictures of the viewer's guide: `python scripts/viewer_screenshots.py [FOLDER]`, docs/images unless named.

Needs the viewer extra and a display; without one: xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/...
The films are the simulated sample pair, so that a picture shows no patient. Answers that a person would give in a
dialog are given here.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NAPARI_CONFIG", "")

REPOSITORY = Path(__file__).resolve().parent.parent
SIZE = (1500, 940)
WIDTH_PX = 1350
GREYS, WEAK, STRONG = 72, 80, 100


class Answers:
    """Answers the viewer's questions as the guide describes them."""

    def reader(self, suggestion: str) -> str:
        """Read as R1."""
        return suggestion or "R1"

    def go_on(self, _draft: Any) -> str:
        """Go on with what is unfinished."""
        return "go on"

    def locked(self, _problem: str) -> str:
        """Look only."""
        return "look only"

    def leave(self, **_state: bool) -> str:
        """Keep the draft."""
        return "save"

    def sign(self, _sentence: str) -> bool:
        """Sign."""
        return True

    def length(self, _pixels: float) -> float | None:
        """Calibrate nothing."""
        return None


def settle(rounds: int = 25) -> None:
    """Let the window catch up."""
    from qtpy.QtTest import QTest

    for _ in range(rounds):
        QTest.qWait(20)


def palette_of(shot: Any) -> Any:
    """Return a palette of greys for the films and of the colours that are not grey: a fifth of the bytes."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(shot).reshape(-1, 3)
    chroma = np.ptp(pixels, axis=1)
    colours: list[int] = []
    for few, low, high in ((WEAK, 8, 60), (STRONG, 60, 256)):  # the controls; the deposits and their numbers
        some = pixels[(chroma >= low) & (chroma < high)].reshape(1, -1, 3)
        if some.size:
            made = Image.fromarray(some).quantize(few, dither=Image.Dither.NONE)
            colours += (made.getpalette() or [])[: 3 * few]
    greys = np.repeat(np.linspace(0, 255, GREYS).round().astype(np.uint8), 3)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*greys.tolist(), *colours])
    return palette


def take(viewer: Any, folder: Path, name: str) -> None:
    """Write one picture of the whole window."""
    from PIL import Image

    settle()
    shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)[..., :3])
    shot = shot.resize((WIDTH_PX, round(shot.height * WIDTH_PX / shot.width)), Image.Resampling.LANCZOS)
    small = shot.quantize(palette=palette_of(shot), dither=Image.Dither.NONE)
    path = folder / f"viewer-{name}.png"
    small.save(path, optimize=True)
    print(f"{path.name}  {path.stat().st_size / 1e3:.0f} kB")


def largest(controller: Any) -> Any:
    """Return the row with the largest area on both films."""
    both = [row for row in controller.layers.rows if all(row.deposits.get(visit) for visit in controller.layers.order)]
    return max(both or controller.layers.rows, key=lambda row: sum(area or 0.0 for area in row.areas.values()))


def reading(viewer: Any, folder: Path, root: Path) -> None:
    """Take the pictures of one reading from opening to signing."""
    from calcimeasure.notices import TimePoint
    from napari_calcimeasure.review_controller import open_review
    from napari_calcimeasure.worklist import cases_of

    films = [REPOSITORY / "sample_images" / "grown" / f"{visit.value}.dcm" for visit in TimePoint]
    controller = open_review(
        viewer, cases_of(films, out=root / "reading"), ask=Answers(), reader="R1", synchronous=True
    )
    if (
        controller.session is None
        or controller.layers is None
        or controller.commands is None
        or controller.view is None
    ):
        raise SystemExit(controller.frame.message.text())
    layers, commands = controller.layers, controller.commands
    take(viewer, folder, "opened")

    row = largest(controller)
    layers.select_row(row)
    take(viewer, folder, "row")

    number = row.deposits[TimePoint.FOLLOWUP][0]
    measured = layers.session.live[TimePoint.BASELINE].row(row.deposits[TimePoint.BASELINE][0])
    place = layers.geometry.same_point(TimePoint.BASELINE, (measured.centroid_row, measured.centroid_col))
    layers.selection.choose(TimePoint.FOLLOWUP, number)
    commands.delete()
    commands.click(TimePoint.FOLLOWUP, place)
    controller.tools.take("brush")
    take(viewer, folder, "editing")

    controller.tools.take("select")
    controller.view.blend()
    take(viewer, folder, "blend")
    controller.view.lay_side_by_side()
    controller.view.show_whole()
    controller.sign()
    take(viewer, folder, "signed")
    controller.leave()
    controller.shut()


def blinded(viewer: Any, folder: Path, root: Path) -> None:
    """Take the picture of a worklist that is read blinded."""
    from calcimeasure.study.study_init import init_study
    from napari_calcimeasure.review_controller import open_review
    from napari_calcimeasure.worklist import cases_of

    study = root / "study"
    init_study(REPOSITORY / "sample_images", study)
    controller = open_review(
        viewer, cases_of([study]), ask=Answers(), reader="R2", blinded=True, seed=7, synchronous=True
    )
    take(viewer, folder, "blinded")
    controller.leave()
    controller.shut()


def start(viewer: Any, folder: Path, _root: Path) -> None:
    """Take the picture of beginning inside napari."""
    from napari_calcimeasure.file_contributions import sample_grown
    from napari_calcimeasure.start_review import StartReview

    for pixels, attributes, _kind in sample_grown():
        viewer.add_image(pixels, **attributes)
    review = StartReview(viewer)
    review.folder.setText("calcimeasure-readings")
    viewer.window.add_dock_widget(review, name="CalciMeasure: review", area="right")
    take(viewer, folder, "start")


def in_a_window(picture: Callable[[Any, Path, Path], None], folder: Path) -> None:
    """Call one of the functions above with a window and an empty folder of their own."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    settle()
    with tempfile.TemporaryDirectory() as root:
        picture(viewer, folder, Path(root))
        viewer.layers.clear()
        viewer.close()
        settle()


def main(arguments: list[str]) -> int:
    """Take all pictures, or those of the parts that are named."""
    folder = Path(arguments[0]) if arguments else REPOSITORY / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"reading": reading, "blinded": blinded, "start": start}
    for name in arguments[1:] or parts:
        in_a_window(parts[name], folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
