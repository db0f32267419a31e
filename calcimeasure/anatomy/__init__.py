"""Masks of the exposed field, the limbs and the bone of a film."""

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.anatomy.find_anatomy import find_anatomy

__all__ = ["Anatomy", "find_anatomy"]
