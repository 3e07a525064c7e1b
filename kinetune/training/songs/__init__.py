"""Training data from music without dances, and from anyone's own dances with music."""
