"""Aligning two films of one limb: similarity, block matching, displacement field, bone scale, common field."""

from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_records import Alignment, Registration

__all__ = ["Alignment", "Registration", "register"]
