"""Composition: music for a dance as notes."""
