"""Rendering of notes to sound: instruments, mix and master."""
