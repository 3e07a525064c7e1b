"""The composer engine: music for a dance as notes, played by sampled and synthesised instruments.

Beside the diffusion model it is crisp and quick, and knows its notes: stems, MIDI, layers.
"""
