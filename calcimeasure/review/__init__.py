"""What people made of films: labels, findings, links, history, signature, autosave."""

from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState, ManualLink
from calcimeasure.review.edit_history import EditHistory

__all__ = ["AnnotationEdit", "AnnotationState", "EditHistory", "ManualLink", "TimePoint"]
