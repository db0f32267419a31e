"""The report: one self-contained page of a compared pair."""
