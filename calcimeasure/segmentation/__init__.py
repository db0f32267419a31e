"""Deposits on a film: found automatically, or outlined where a reader clicks."""

from calcimeasure.segmentation.grouping import accept
from calcimeasure.segmentation.point_files import read_points
from calcimeasure.segmentation.points import segment_points
from calcimeasure.segmentation.protocol import Proposals, Segmenter
from calcimeasure.segmentation.segment import get_segmenter, segment

__all__ = ["Proposals", "Segmenter", "accept", "get_segmenter", "read_points", "segment", "segment_points"]
