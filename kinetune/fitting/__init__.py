"""Fitting a song to a dance: offset and stretch from the beats of both, and the stretched sound."""
