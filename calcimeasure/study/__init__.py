"""Many films: manifest, runner, store."""
