"""A pair: registration, joint detection, matching, change and verdict."""

from calcimeasure.comparison.pair import compare
from calcimeasure.comparison.records import Alignment, Comparison, Link, LinkStatus, Registration, Verdict
from calcimeasure.comparison.sentence import verdict_sentence

__all__ = [
    "Alignment",
    "Comparison",
    "Link",
    "LinkStatus",
    "Registration",
    "Verdict",
    "compare",
    "verdict_sentence",
]
