"""Choreographed dances from a seed, and real dances time-warped to a beat."""
