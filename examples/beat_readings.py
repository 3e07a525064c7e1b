"""How the beat of a dance is read, in one picture: events, activation, the two likeliest grids.

python examples/beat_readings.py [DANCE]
"""

import sys
from pathlib import Path

import kinetune
from kinetune.render.pictures import draw_readings

dance = kinetune.load_motion(sys.argv[1] if len(sys.argv) > 1 else kinetune.example_dance())
for number, reading in enumerate(kinetune.find_beats(dance).readings, start=1):
    print(
        f"{number}: {reading.probability:4.0%}  {reading.bpm:6.1f} bpm, first beat at "
        f"{reading.first_beat_s:.2f} s, {reading.metre} beats to the bar"
    )
picture = Path("out/readings.png")
picture.parent.mkdir(exist_ok=True)
draw_readings(picture, dance)
print(f"{picture}: red lines are the first beats of bars")
