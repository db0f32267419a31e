"""What changed between two films: links, intervals, verdict, and the record of a compared pair."""

from calcimeasure.change.change_records import Comparison, Link, LinkStatus, Verdict
from calcimeasure.change.pair_comparison import compare
from calcimeasure.change.verdict_sentence import verdict_sentence

__all__ = ["Comparison", "Link", "LinkStatus", "Verdict", "compare", "verdict_sentence"]
