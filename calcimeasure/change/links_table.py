"""The links of a pair as rows: what `links.csv` and `Comparison.to_frame` hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calcimeasure.change.change_records import Link

if TYPE_CHECKING:
    from pandas import DataFrame

LINK_COLUMNS = (
    "link",
    "status",
    "baseline_labels",
    "followup_labels",
    "baseline_area_mm2",
    "followup_area_mm2",
    "baseline_area_px",
    "followup_area_px",
    "area_change_percent",
    "ci95_low_percent",
    "ci95_high_percent",
    "log_ratio",
    "log_ratio_se",
    "detectable",
    "reason",
)


def links_table_rows(links: Sequence[Link]) -> list[dict[str, object]]:
    """Return a row a link, numbered from 1; several labels of one film are joined by a semicolon."""
    return [_row(number, link) for number, link in enumerate(links, start=1)]


def links_frame(links: Sequence[Link]) -> DataFrame:
    """Return the rows as a table; absent numbers are missing values."""
    import pandas as pd

    return pd.DataFrame(links_table_rows(links), columns=list(LINK_COLUMNS))


def _row(number: int, link: Link) -> dict[str, object]:
    low, high = link.ci95_percent or (None, None)
    computed = {
        "link": number,
        "status": link.status.value,
        "baseline_labels": ";".join(map(str, link.baseline_labels)),
        "followup_labels": ";".join(map(str, link.followup_labels)),
        "ci95_low_percent": low,
        "ci95_high_percent": high,
    }
    return {name: computed[name] if name in computed else getattr(link, name) for name in LINK_COLUMNS}
