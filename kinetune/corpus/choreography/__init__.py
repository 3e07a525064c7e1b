"""Dances from a seed, and real dances warped to a beat."""
