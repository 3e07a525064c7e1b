"""A dance becomes music, a picture and a film: what `make demo` runs.

python examples/demo.py [MOTION] [OUTPUT.wav]
"""

import sys
from pathlib import Path

import kinetune

DANCE = Path(__file__).parent / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"


def main(motion: Path = DANCE, output: Path = Path("out/demo.wav")) -> None:
    """Make the three files, and print what is done and where it is."""
    print(f"Reading the dance in {motion} and making music for it ...")
    music = kinetune.generate(motion)
    print(f"  {music.duration_s:.1f} s of music at the {music.bpm:.1f} bpm found in the dance")
    print(f"  listen to  {music.save(output, overwrite=True)}")

    print("Drawing the picture ...")
    picture = output.with_suffix(".png")
    music.draw(picture)
    print(f"  look at    {picture}: the dancer, the body's energy, the music and its beats")

    print("Making the film, half a minute ...")
    film = music.film(output.with_suffix(".mp4"), overwrite=True)
    print(f"  watch      {film}: the dancer with the music")

    print("The dance is from AIST++ (Google LLC, CC BY 4.0). Another genre, the same dance:")
    print(f"  .venv/bin/kinetune generate {motion} --genre house -o out/house.wav")
    print("Look and drag instead, in your browser:")
    print("  .venv/bin/kinetune studio")


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:3]))
    except kinetune.KinetuneError as error:
        sys.exit(f"demo: {error}")
