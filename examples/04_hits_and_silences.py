"""Where the music hits, rests and grows.

python examples/04_hits_and_silences.py
"""

import kinetune

score = kinetune.ControlScore(
    sections=(
        kinetune.Section(0.0, 4.8, energy=0.5),
        kinetune.Section(4.8, 9.6, genre="house", energy=1.5),
    ),
    accents=(kinetune.Accent(6.6, strength=1.5),),
    silences=(kinetune.Silence(4.4, 4.8),),
    exact=True,
)
music = kinetune.generate(kinetune.example_dance(), score=score)
music.save("out/score.wav", overwrite=True)
print(music)
