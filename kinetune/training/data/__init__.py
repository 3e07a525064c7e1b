"""Data sets for training: preparing, caching, augmenting."""
