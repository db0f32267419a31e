"""Deposits on a film: detected automatically, or outlined where a reader clicks."""

from calcimeasure.segmentation.click_segmentation import segment_points
from calcimeasure.segmentation.deposit_grouping import accept_proposals
from calcimeasure.segmentation.detect import get_segmenter, segment
from calcimeasure.segmentation.segmenter import Proposals, Segmenter

__all__ = ["Proposals", "Segmenter", "accept_proposals", "get_segmenter", "segment", "segment_points"]
