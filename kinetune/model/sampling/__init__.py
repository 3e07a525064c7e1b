"""Sampling: windows, loops, inpainting, and consistency between windows."""
