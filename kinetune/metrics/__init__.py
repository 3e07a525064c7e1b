"""How good music for a dance is; scores WAV files of any system and never sees the model."""
