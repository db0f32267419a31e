"""The command line's face: one module per command family, thin."""
