"""Samplers of the search on known response surfaces, and the rate of its rounds."""
