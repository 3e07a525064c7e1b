"""Turns a bundled dance into music and a picture: what `make demo` runs.

python examples/demo.py [MOTION] [OUTPUT.wav]
"""

import sys
from pathlib import Path

from kinetune.errors import KinetuneError
from kinetune.tasks.generate import GenerateRequest, generate

DANCE = Path(__file__).parent / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"


def main(motion: Path = DANCE, output: Path = Path("out/demo.wav")) -> None:
    """Generate, and say in plain words what was done and where it is."""
    print(f"Reading the dance in {motion} ...")
    result = generate(GenerateRequest((motion,), output, plot=True, existing="replace"))
    for failure in result.failures:
        raise KinetuneError(failure.error)
    piece = result.pieces[0]
    print()
    print(f"kinetune read {piece.duration_s:.1f} s of a break dance (AIST++, Google LLC, CC BY")
    print(f"4.0), found its beat at {piece.bpm:.1f} beats a minute, and made music for it.")
    print(f"  listen to  {piece.output}")
    print(f"  look at    {piece.picture}: the dancer, the body's energy and its beats,")
    print("             and the music with the beats found in it, on one time axis")
    print("Another genre, the same dance:")
    print(f"  .venv/bin/kinetune generate {motion} --genre house -o out/house.wav")


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:3]))
    except KinetuneError as error:
        sys.exit(f"demo: {error}")
