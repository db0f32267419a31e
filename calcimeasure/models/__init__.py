"""The trained networks and classifiers: their weights, inference, and input."""
