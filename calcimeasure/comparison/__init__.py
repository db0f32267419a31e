"""A pair: registration, joint detection, matching, change and verdict."""
