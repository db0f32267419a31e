"""The product run on films with known truth: accuracy, intervals, verdict operating curves."""
