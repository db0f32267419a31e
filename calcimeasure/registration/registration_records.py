"""The result of a registration: its quality and scale, and the alignment, which is a SimpleITK transform too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import SimpleITK

SLAB_MM = 100.0
"""Thickness of the displacement field in a 3-D transform, which is the same at every height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """How well the two films were aligned; the mapping itself is an `Alignment`.

    Attributes
    ----------
    status
        ``ok``, ``failed`` or ``mirrored`` (fits only when flipped).
    scale, scale_se
        Size of the follow-up's bones over the baseline's, in mm where both films have a spacing, else in pixels.
    scale_applied
        Whether the change is corrected by it.
    rms_mm, rms_px
        Residual of the alignment at bone, on the baseline's grid; mm only with a spacing.
    reason
        Why it failed, in words.
    """

    status: str
    scale: float | None = None
    scale_se: float | None = None
    scale_applied: bool = False
    rms_mm: float | None = None
    rms_px: float | None = None
    rotation_deg: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Alignment:
    """The mapping from the baseline to the follow-up: an affine matrix and a displacement field on a coarse grid.

    The matrix is a similarity of the whole limb; the field adds what moves by itself (fingers). Used for matching and
    display, never for measuring.

    Attributes
    ----------
    matrix
        float64, (2, 3): (row, col, 1) of the baseline to (row, col) of the follow-up, in pixels of each film.
    residual
        float32, (grid rows, grid cols, 2): displacement in follow-up pixels that is added to the mapped (row, col), at
        baseline positions ``index * step``; None for a similarity alone.
    step
        Baseline pixels a grid cell.
    flipped
        Whether the follow-up is mirrored left to right (``--flip``); `matrix` includes it.
    uncertainty
        float32, (grid rows, grid cols): standard error of the mapped position, in baseline pixels; infinite where
        nothing of the follow-up corresponds. None where it is not known.
    reverse
        The alignment in the other direction, where this one is its inverse. Pairs are registered in an order that
        does not depend on which film is the baseline, and matching uses that direction, so that swapping the films
        mirrors every result exactly.
    """

    matrix: NDArray[np.float64]
    residual: NDArray[np.float32] | None = None
    step: int = 1
    flipped: bool = False
    uncertainty: NDArray[np.float32] | None = None
    reverse: Alignment | None = None

    @property
    def scale(self) -> float:
        """Follow-up pixels to a baseline pixel, the mean of both axes."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def transform(
        self,
        baseline_spacing_mm: tuple[float, float] | None = None,
        followup_spacing_mm: tuple[float, float] | None = None,
        *,
        dimension: int = 2,
    ) -> SimpleITK.CompositeTransform:
        """Return the alignment as a SimpleITK transform from baseline (fixed) to follow-up (moving) points.

        `SimpleITK.Resample` takes it to lay the follow-up on the baseline. A point is (x, y): column and row times
        the spacing, 0 at the center of the first pixel. The transform of `inverse` maps the other way.

        Parameters
        ----------
        baseline_spacing_mm, followup_spacing_mm
            (row, column) size of a pixel. Without it, points are in pixels.
        dimension
            3 for programs that know 3-D transforms only, such as 3D Slicer: the third axis stays as it is.

        Returns
        -------
        SimpleITK.CompositeTransform
            An affine transform after a displacement field transform (where there is a field).
        """
        import SimpleITK

        size_1, size_2 = (np.array(mm or (1.0, 1.0)) for mm in (baseline_spacing_mm, followup_spacing_mm))
        linear = size_2[:, None] * self.matrix[:, :2] / size_1
        affine = SimpleITK.AffineTransform(dimension)
        matrix, translation = np.eye(dimension), np.zeros(dimension)
        matrix[:2, :2], translation[:2] = linear[::-1, ::-1], (self.matrix[:, 2] * size_2)[::-1]
        affine.SetMatrix(matrix.ravel())
        affine.SetTranslation(translation)
        transform = SimpleITK.CompositeTransform(dimension)
        transform.AddTransform(affine)
        if self.residual is not None:
            # The field comes first, so its displacements are those that the affine transform turns into the residual.
            displacement = (self.residual * size_2) @ np.linalg.inv(linear).T
            vectors = np.zeros((*(1,) * (dimension - 2), *self.residual.shape[:2], dimension))
            vectors[..., :2] = displacement[..., ::-1]
            field = SimpleITK.GetImageFromArray(vectors, isVector=True)
            field.SetSpacing((*(self.step * size_1[::-1]), SLAB_MM)[:dimension])
            transform.AddTransform(SimpleITK.DisplacementFieldTransform(field))
        return transform

    @classmethod
    def from_transform(
        cls,
        transform: SimpleITK.Transform,
        shape: tuple[int, int],
        *,
        step: int = 16,
        baseline_spacing_mm: tuple[float, float] | None = None,
        followup_spacing_mm: tuple[float, float] | None = None,
    ) -> Alignment:
        """Return the alignment that a SimpleITK transform from baseline to follow-up points describes.

        Parameters
        ----------
        transform
            In two dimensions, or in three with the films at height 0.
        shape
            (rows, columns) of the baseline.
        step
            Baseline pixels a grid cell; the transform is sampled there.
        baseline_spacing_mm, followup_spacing_mm
            As for `transform`.
        """
        import SimpleITK

        size_1, size_2 = (np.array(mm or (1.0, 1.0)) for mm in (baseline_spacing_mm, followup_spacing_mm))
        dimension = transform.GetDimension()
        nodes = grid_nodes(shape, step)
        field = SimpleITK.TransformToDisplacementField(
            transform,
            SimpleITK.sitkVectorFloat64,
            (*nodes.shape[1::-1], 1)[:dimension],
            outputSpacing=(*(step * size_1[::-1]), 1.0)[:dimension],
        )
        displacement = SimpleITK.GetArrayFromImage(field)[..., 1::-1].reshape(nodes.shape)
        mapped = (nodes * size_1 + displacement) / size_2
        columns = np.concatenate([nodes, np.ones((*nodes.shape[:2], 1))], axis=-1).reshape(-1, 3)
        matrix = np.linalg.lstsq(columns, mapped.reshape(-1, 2))[0].T
        residual = (mapped - (columns @ matrix.T).reshape(nodes.shape)).astype(np.float32)
        return cls(matrix=matrix, residual=residual, step=step, flipped=bool(np.linalg.det(matrix[:, :2]) < 0))


def grid_nodes(shape: tuple[int, int], step: int) -> NDArray[np.float64]:
    """Return the grid's (row, col) positions, every `step` pixels and reaching over the film's last row and column."""
    rows = np.arange(-(-(shape[0] - 1) // step) + 1) * float(step)
    cols = np.arange(-(-(shape[1] - 1) // step) + 1) * float(step)
    return np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1)
