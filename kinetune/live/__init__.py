"""Live: music that keeps step with a body while it dances, composed bar by bar.

Seconds of the body's time throughout: 0 is its first frame.
"""
