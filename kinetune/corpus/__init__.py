"""Synthetic training data: paired dances and music from a seed, free of third-party rights."""
