"""`docs/records.md` names every key and column that is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calcimeasure.change.change_records import LinkStatus, Verdict
from calcimeasure.change.links_table import LINK_COLUMNS
from calcimeasure.deposits import AreaMethod, Finding, Origin
from calcimeasure.export.csv_tables import FILM_DEPOSIT_COLUMNS, PAIR_DEPOSIT_COLUMNS
from calcimeasure.export.json_records import COMPARISON_SCHEMA, MEASUREMENT_SCHEMA, load_schema
from calcimeasure.radiograph import SpacingBasis

ROOT = Path(__file__).parents[2]
WRITTEN_BEFORE = ROOT / "tests" / "compatibility" / "data"


@pytest.fixture(scope="module")
def named() -> set[str]:
    page = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    return {word for code in re.findall(r"`([^`]+)`", page) for word in re.findall(r"[\w.]+", code)}


def keys_of(schema: Any) -> Iterator[str]:
    """Every property of a schema, of its parts and of its definitions."""
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from keys_of(part)
    for part in schema.get("$defs", {}).values():
        yield from keys_of(part)


@pytest.mark.parametrize("schema", [COMPARISON_SCHEMA, MEASUREMENT_SCHEMA])
def test_every_key_of_the_records(named: set[str], schema: str) -> None:
    assert set(keys_of(load_schema(schema))) <= named


def test_every_column_of_the_tables(named: set[str]) -> None:
    assert {*LINK_COLUMNS, *FILM_DEPOSIT_COLUMNS, *PAIR_DEPOSIT_COLUMNS} <= named


@pytest.mark.parametrize("words", [Verdict, LinkStatus, Finding, Origin, AreaMethod, SpacingBasis])
def test_every_word_of_a_vocabulary(named: set[str], words: Any) -> None:
    assert {word.value for word in words} <= named


def test_every_key_of_a_signed_reading(named: set[str]) -> None:
    version = next(WRITTEN_BEFORE.glob("review/readings/*-*/R1/v1"))
    actions = [json.loads(line) for line in (version / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    keys = set(json.loads((version / "signature.json").read_text(encoding="utf-8")))
    for action in actions:
        keys |= set(action).union(*action["films"].values(), *action["deposits"])
    assert keys <= named
