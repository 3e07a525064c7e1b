"""Tempo, beats and bars of a dance, from the motion alone."""
