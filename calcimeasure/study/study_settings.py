"""`study.toml`: title, visits, settings and the declared analysis. Read, checked, proposed here."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import StudyError
from calcimeasure.io.table_reader import DAY_FIRST, MONTH_FIRST, PLAIN, TableStyle

STUDY_TOML = "study.toml"
SCHEMA = "calcimeasure.study/1"

UNTITLED = "Untitled study"


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One visit: its name, its day after baseline, and how far from it a film may be dated.

    Attributes
    ----------
    subjects
        Who is due at it; empty for everybody.
    """

    name: str
    day: int
    window_days: int
    subjects: tuple[str, ...] = ()

    def is_due(self, subject: str) -> bool:
        """Return whether a subject's film belongs to this visit."""
        return not self.subjects or subject in self.subjects


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """What is declared before results are computed.

    Attributes
    ----------
    estimand
        In words.
    primary
        ``equivalence`` or ``change``.
    primary_visit
        The visit that the primary analysis compares with baseline.
    burden_view
        The one view a body part whose films make a subject's burden.
    arms
        Each subject's arm; empty for a single arm.
    reference_arm
        The arm that others are compared with.
    population
        Subjects that the cohort's analysis is about; empty for all. Others are measured and shown apart.
    limit_of_detection_mm2
        The area that a film would have shown 95 times in 100, below which a burden of zero lies; the segmenter's own
        where it is not given and no person read the films.
    """

    estimand: str = "Ratio of footprint area at follow-up to baseline, at a common pose and magnification"
    primary: str = "equivalence"
    primary_visit: str = ""
    burden_view: Mapping[str, str] = field(default_factory=dict)
    arms: Mapping[str, str] = field(default_factory=dict)
    reference_arm: str = ""
    population: tuple[str, ...] = ()
    limit_of_detection_mm2: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySettings:
    """A whole `study.toml`.

    Attributes
    ----------
    visits
        In order of day; the first is the baseline.
    method, margin_ratio, repositioning_sd, precision, magnification_corrected
        As the options of `calcimeasure compare`.
    primary_reader
        Whose signed readings are used in place of the program's; where none is named, those of whoever read a film
        alone.
    read_first
        Whether the viewer shows a reader the program's deposits only after the reader's own are signed.
    tables
        How the study's tables are written, where they do not tell themselves.
    """

    title: str = UNTITLED
    visits: tuple[Visit, ...]
    method: str = "auto"
    margin_ratio: tuple[float, float] = DEFAULT_MARGIN_RATIO
    repositioning_sd: float | None = None
    precision: float | None = None
    magnification_corrected: bool = False
    primary_reader: str = ""
    read_first: bool = False
    analysis: Analysis = field(default_factory=Analysis)
    tables: TableStyle = PLAIN

    @property
    def baseline(self) -> str:
        """Name of the baseline visit."""
        return self.visits[0].name

    @property
    def visit_names(self) -> tuple[str, ...]:
        """Names of the visits, baseline first."""
        return tuple(visit.name for visit in self.visits)

    @property
    def declared(self) -> dict[str, Any]:
        """What is declared: margin, visits, settings and analysis; not the title."""
        return {
            "visits": [[visit.name, visit.day, visit.window_days, list(visit.subjects)] for visit in self.visits],
            "settings": self.measuring(),
            "primary_reader": self.primary_reader,
            "margin_ratio": list(self.margin_ratio),
            "analysis": {
                "estimand": self.analysis.estimand,
                "primary": self.analysis.primary,
                "primary_visit": self.analysis.primary_visit,
                "burden_view": dict(self.analysis.burden_view),
                "arms": dict(self.analysis.arms),
                "reference_arm": self.analysis.reference_arm,
                "population": list(self.analysis.population),
            },
        }

    @property
    def declared_sha256(self) -> str:
        """Hash of what is declared."""
        return hashlib.sha256(json.dumps(self.declared, sort_keys=True).encode()).hexdigest()

    def reading(self) -> dict[str, Any]:
        """Return the settings that a film's reading depends on."""
        return {
            "method": self.method,
            "precision": self.precision,
            "magnification_corrected": self.magnification_corrected,
        }

    def measuring(self) -> dict[str, Any]:
        """Return the settings that a pair depends on."""
        return {
            **self.reading(),
            "margin_ratio": list(self.margin_ratio),
            "repositioning_sd": self.repositioning_sd,
            "limit_of_detection_mm2": self.analysis.limit_of_detection_mm2,
        }


def read_settings(path: Path) -> StudySettings:
    """Read `study.toml`.

    Raises
    ------
    StudyError
        Naming the key that is wrong.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise StudyError(
            "there is no study here", where=str(path), remedy="Make one with `calcimeasure study init FOLDER`."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"is not TOML ({error})", where=path.name, remedy="Mend the line that it names.") from error
    return settings_of(table, path.name)


def settings_of(table: Mapping[str, Any], where: str = STUDY_TOML) -> StudySettings:
    """Return the settings of a parsed `study.toml`; see `read_settings`."""
    _known(table, {"schema", "title", "visits", "settings", "readings", "analysis", "tables"}, where)
    if table.get("schema", SCHEMA) != SCHEMA:
        raise StudyError(f"schema '{table['schema']}' is not {SCHEMA}", where=where, remedy="Make it anew with init.")
    settings = _table(table, "settings", where)
    known = {"method", "margin_ratio", "repositioning_sd", "precision", "magnification_corrected"}
    _known(settings, known, f"{where}, [settings]")
    visits = _visits(table.get("visits"), where)
    readings = _table(table, "readings", where)
    _known(readings, {"primary_reader", "read_first"}, f"{where}, [readings]")
    return StudySettings(
        title=str(table.get("title", UNTITLED)),
        visits=visits,
        method=str(settings.get("method", "auto")),
        margin_ratio=_margin(settings.get("margin_ratio", DEFAULT_MARGIN_RATIO), where),
        repositioning_sd=_number(settings, "repositioning_sd", where),
        precision=_number(settings, "precision", where),
        magnification_corrected=settings.get("magnification_corrected", False) is True,
        primary_reader=str(readings.get("primary_reader", "")),
        read_first=readings.get("read_first", False) is True,
        analysis=_analysis(_table(table, "analysis", where), visits, where),
        tables=_style(_table(table, "tables", where), f"{where}, [tables]"),
    )


def _style(table: Mapping[str, Any], place: str) -> TableStyle:
    _known(table, {"encoding", "dates", "decimal"}, place)
    style = TableStyle(**{name: str(value) for name, value in table.items()})
    if style.dates not in ("", DAY_FIRST, MONTH_FIRST):
        raise StudyError(
            f"dates '{style.dates}' is no order of dates", where=place, remedy=f"Write {DAY_FIRST} or {MONTH_FIRST}."
        )
    if style.decimal not in ("", ",", "."):
        raise StudyError(f"decimal '{style.decimal}' is no decimal mark", where=place, remedy='Write "," or ".".')
    return style


def settings_text(settings: StudySettings) -> str:
    """Return the text of a proposed `study.toml`, with what each line is for."""
    lod = settings.analysis.limit_of_detection_mm2
    lines = [
        f"schema = {_quoted(SCHEMA)}",
        f"title = {_quoted(settings.title)}",
        "",
        "# What measuring depends on: a change here measures anew.",
        "[settings]",
        f"method = {_quoted(settings.method)}",
        "# Ratios of area between which a change counts as none; fixed before results are seen.",
        f"margin_ratio = [{settings.margin_ratio[0]}, {settings.margin_ratio[1]}]",
        f"magnification_corrected = {str(settings.magnification_corrected).lower()}",
        "",
        "# Whose signed readings count, and whether they read before they see the program's deposits.",
        "[readings]",
        f"primary_reader = {_quoted(settings.primary_reader)}",
        f"read_first = {str(settings.read_first).lower()}",
        "",
        "# What is declared before results are computed; a later change is stated in every report.",
        "[analysis]",
        f"estimand = {_quoted(settings.analysis.estimand)}",
        f'primary = {_quoted(settings.analysis.primary)}    # or "change"',
        f"primary_visit = {_quoted(settings.analysis.primary_visit)}",
        "# The arm of each subject, and the arm that others are compared with; none for a single arm.",
        f"reference_arm = {_quoted(settings.analysis.reference_arm)}",
        f"arms = {_inline(settings.analysis.arms)}",
        "# Subjects that the cohort's analysis is about; none named for all. Others are measured and shown apart.",
        f"population = [{', '.join(map(_quoted, settings.analysis.population))}]",
        "# The one view of each body part that makes a subject's burden.",
        f"burden_view = {_inline(settings.analysis.burden_view)}",
        "# Area (mm2) that a film would have shown 95 times in 100, below which a burden of zero lies; the segmenter's",
        "# own where none is given.",
        f"{'' if lod else '# '}limit_of_detection_mm2 = {lod or 1.0}",
        "",
        "# Visits in order; the first is the baseline that all others are compared with. A visit that is not for all",
        '# names who is due at it: subjects = ["S001"].',
    ]
    for visit in settings.visits:
        lines += [
            "[[visits]]",
            f"name = {_quoted(visit.name)}",
            f"day = {visit.day}",
            f"window_days = {visit.window_days}",
            *([f"subjects = [{', '.join(map(_quoted, visit.subjects))}]"] if visit.subjects else []),
            "",
        ]
    return "\n".join(lines)


def _visits(entries: Any, where: str) -> tuple[Visit, ...]:
    if not isinstance(entries, list) or not entries:
        raise StudyError("there are no [[visits]]", where=where, remedy="Name the baseline and at least one more.")
    visits = []
    for number, entry in enumerate(entries, start=1):
        place = f"{where}, visit {number}"
        _known(entry, {"name", "day", "window_days", "subjects"}, place)
        name, day, window = entry.get("name"), entry.get("day"), entry.get("window_days", 30)
        if not isinstance(name, str) or not name.strip():
            raise StudyError("a visit has no name", where=place, remedy='Write name = "baseline", for instance.')
        for key, value in (("day", day), ("window_days", window)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise StudyError(f"{key} is not a whole number", where=place, remedy="Count days from baseline.")
        subjects = _subjects(entry, "subjects", place)
        visits.append(Visit(name=name.strip(), day=day, window_days=window, subjects=subjects))
    names = [visit.name for visit in visits]
    if len(set(names)) < len(names):
        raise StudyError("two visits have the same name", where=where, remedy="Name them apart.")
    return tuple(sorted(visits, key=lambda visit: visit.day))


def _analysis(table: Mapping[str, Any], visits: Sequence[Visit], where: str) -> Analysis:
    place = f"{where}, [analysis]"
    known = {"estimand", "primary", "primary_visit", "burden_view", "arms", "reference_arm", "population"}
    _known(table, known | {"limit_of_detection_mm2"}, place)
    default = Analysis()
    primary = table.get("primary", default.primary)
    if primary not in ("equivalence", "change"):
        raise StudyError(f"primary '{primary}' is neither equivalence nor change", where=place, remedy="Declare one.")
    visit = str(table.get("primary_visit", "")) or visits[-1].name
    if visit not in [v.name for v in visits]:
        raise StudyError(f"primary_visit '{visit}' is no visit", where=place, remedy="Name one of the visits.")
    arms = {str(k): str(v) for k, v in _table(table, "arms", place).items()}
    reference = str(table.get("reference_arm", ""))
    if arms and reference not in arms.values():
        raise StudyError(
            f"reference_arm '{reference}' is nobody's arm", where=place, remedy="Name the arm to compare with."
        )
    return Analysis(
        estimand=str(table.get("estimand", default.estimand)),
        primary=primary,
        primary_visit=visit,
        burden_view={str(k).upper(): str(v).upper() for k, v in _table(table, "burden_view", place).items()},
        arms=arms,
        reference_arm=reference,
        population=_subjects(table, "population", place),
        limit_of_detection_mm2=_area(table, place),
    )


def _margin(value: Any, where: str) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (0.0 < low < 1.0 < high < math.inf):
        raise StudyError(
            "margin_ratio does not include 1, the ratio of equal areas",
            where=where,
            remedy="Write a ratio below 1 and one above it, e.g. margin_ratio = [0.80, 1.25].",
        )
    return (low, high)


def _number(table: Mapping[str, Any], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < 10.0:
        raise StudyError(f"{key} is not a standard deviation", where=where, remedy="Give a fraction, e.g. 0.02.")
    return float(value)


def _subjects(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise StudyError(f"{key} is not a list of subjects", where=where, remedy=f'Write {key} = ["S001"].')
    return tuple(sorted(set(value)))


def _area(table: Mapping[str, Any], where: str) -> float | None:
    value = table.get("limit_of_detection_mm2")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise StudyError("limit_of_detection_mm2 is not an area", where=where, remedy="Give square millimetres.")
    return float(value)


def _table(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise StudyError(f"{key} is not a table", where=where, remedy=f"Write [{key}] and its lines below.")
    return value


def _known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise StudyError(
            f"'{unknown[0]}' is not a key here", where=where, remedy=f"The keys are {', '.join(sorted(known))}."
        )


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)


def _inline(table: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in table.items()) + "}"
