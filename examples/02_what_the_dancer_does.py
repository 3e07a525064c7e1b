"""Tempo and beats of a dance.

python examples/02_what_the_dancer_does.py
"""

import kinetune

dance = kinetune.load_motion(kinetune.example_dance())
beats = kinetune.find_beats(dance)
print(dance)
print(beats)
print("beats at", ", ".join(f"{time_s:.2f}" for time_s in beats.beats_s[:8]), "... s")
for tempo in beats.alternatives:
    print(f"or {tempo.bpm:.1f} bpm, {tempo.score:.2f} as likely")
