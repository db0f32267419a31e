"""Many films: the manifest, the runner (one engine, local or cluster), the store, and what is exported from it."""
