"""Edits of existing music, step by step: request, what a recipe completes, material, music."""
