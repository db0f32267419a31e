"""The viewer's face of calcimeasure: a napari plugin."""
