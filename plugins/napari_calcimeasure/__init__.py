"""The viewer's face of calcimeasure: a napari plugin and a program of its own (`python -m napari_calcimeasure`).

Nothing here is an API for other programs; what needs no window is in `calcimeasure.review`.
"""

__all__ = ()
