"""Batches on many machines, by Ray."""
