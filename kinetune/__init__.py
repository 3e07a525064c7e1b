"""kinetune listens to a dance: 3D motion in, music that fits the body out.

Importing this package is cheap: no torch, no diffusers. Import the room you need:
``kinetune.motion``, ``kinetune.audio``, ``kinetune.model``, ``kinetune.corpus``,
``kinetune.training``.
"""

__version__ = "0.1.0"
