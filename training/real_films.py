"""Real films as backgrounds: which cases a network may learn from, and which are kept for the figures.

    python training/real_films.py FILMS   # writes training/held_out.txt

Films of one patient have neighbouring numbers, so whole cases lie on one side. Every third case is held out. A case of
which an earlier state held out one film stays held out; one of which an earlier state learned from a film is never
reported.
"""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_FILE = Path(__file__).with_name("held_out.txt")
EVERY = 3
# Numbers of one case's films are at most this far apart.
SAME_CASE = 12
FOLDERS = ("limbs", "limbs_more")
# Films of `limbs` that earlier states held out; from all other ones they learned.
EARLIER_HELD_OUT = (17961, 21186, 26448, 28412, 32238, 34660, 39571, 42584, 45463)
_NUMBERED = re.compile(r"(?P<collection>[a-z_]*?)(?P<number>\d+)")


@dataclass(frozen=True, kw_only=True)
class RealFilm:
    """One file: its collection, its number there, and whether it may show calcification."""

    path: Path
    collection: str
    number: int
    calcified: bool


def real_films(folder: Path) -> list[RealFilm]:
    """Return the films of `limbs` and `limbs_more` in a folder, by collection and number."""
    found = []
    for name in FOLDERS:
        manifest = folder / name / "manifest.csv"
        shows = {}
        if manifest.is_file():
            with manifest.open(encoding="utf-8", newline="") as lines:
                shows = {row["file"]: row["shows_calcification"] for row in csv.DictReader(lines)}
        for path in sorted((folder / name).glob("*")):
            if path.suffix not in {".jpg", ".png"}:
                continue
            parts = _NUMBERED.match(path.stem.removeprefix("calcified_").lower())
            if parts is None:
                raise SystemExit(f"{path.name}: its name holds no number, so its case is unknown")
            calcified = path.name.startswith("calcified_") or shows.get(path.name, "no") != "no"
            found.append(
                RealFilm(
                    path=path,
                    collection=parts["collection"] or ("wrists" if "_" in path.stem else "ages"),
                    number=int(parts["number"]),
                    calcified=calcified,
                )
            )
    return sorted(found, key=lambda film: (film.collection, film.number, film.path.name))


def cases(films: list[RealFilm]) -> list[list[RealFilm]]:
    """Return the films case by case."""
    grouped: list[list[RealFilm]] = []
    for film in films:
        before = grouped[-1][-1] if grouped else None
        reach = SAME_CASE if film.collection in {"synpic", "img"} else 0
        if before is None or before.collection != film.collection or film.number - before.number > reach:
            grouped.append([])
        grouped[-1].append(film)
    return grouped


def split(films: list[RealFilm]) -> tuple[list[RealFilm], list[RealFilm], list[RealFilm]]:
    """Return the films to learn from, those held out, and those that are neither learned from nor reported."""
    learned, held_out, neither = [], [], []
    count = 0
    for case in cases(films):
        earlier = [film for film in case if film.path.parent.name == FOLDERS[0]]
        kept_earlier = any(film.number in EARLIER_HELD_OUT for film in earlier)
        learned_earlier = any(film.number not in EARLIER_HELD_OUT and not film.calcified for film in earlier)
        if kept_earlier and learned_earlier:
            neither += case
        elif kept_earlier:
            held_out += case
        elif learned_earlier:
            learned += case
        else:
            count += 1
            (held_out if count % EVERY == 0 else learned).extend(case)
    return learned, held_out, neither


def learnable(folder: Path) -> list[list[Path]]:
    """Return the films without calcification that a network may learn from, case by case."""
    names = set(HELD_OUT_FILE.read_text(encoding="utf-8").split())
    films = [film for film in real_films(folder) if not film.calcified and film.path.name not in names]
    return [[film.path for film in case] for case in cases(films)]


def main() -> None:
    learned, held_out, neither = split(real_films(Path(sys.argv[1])))
    names = sorted(film.path.name for film in held_out + neither)
    HELD_OUT_FILE.write_text("\n".join(names) + "\n", encoding="utf-8")
    print(f"{len(learned)} films to learn from, {len(held_out)} held out, {len(neither)} left out of both:")
    print(" ".join(film.path.name for film in neither))


if __name__ == "__main__":
    main()
