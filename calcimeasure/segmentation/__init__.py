"""Deposits on a film: candidates, classifier, network, boundary, click-to-segment."""
