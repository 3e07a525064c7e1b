"""The composer as an engine: music for a dance as notes, played by recorded and made instruments.

Beside the diffusion model it is crisp and quick, and knows its notes: stems, MIDI, layers.
"""
