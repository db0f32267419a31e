"""Where the picture, the limbs and the bones are on a film."""

from calcimeasure.anatomy.find import find_anatomy
from calcimeasure.anatomy.records import Anatomy

__all__ = ["Anatomy", "find_anatomy"]
