"""A loop of whole bars at a given tempo, for a game.

python examples/03_a_loop_for_a_game.py
"""

import kinetune

music = kinetune.generate(
    kinetune.example_dance(),
    genre="krump",
    bpm=100,
    loop=True,
    rate_hz=44_100,
    stereo=True,
    loudness_lufs=-18.0,
)
path = music.save("out/loop.wav", overwrite=True)
print(f"{path}: loops after {music.duration_s:.3f} s")
