"""Music for a dance in three lines.

python examples/01_music_for_a_dance.py
"""

import kinetune

music = kinetune.generate(kinetune.example_dance(), genre="house", seed=1)
music.save("out/house.wav", overwrite=True)
print(music)
