"""Reading films: DICOM, PNG, TIFF, JPEG; spacing and its basis; the canonical grey scale.

`read_film` opens a file, `film_from_array` takes pixels that are already in memory; both give a `Radiograph`.
"""

from __future__ import annotations

from calcimeasure.io.film_array import film_from_array
from calcimeasure.io.film_reader import read_film

__all__ = ["film_from_array", "read_film"]
