"""Which motion files a user means, how to read them, and what became of each."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres
from kinetune.errors import ConfigError, KinetuneError

if TYPE_CHECKING:
    from kinetune.cli.generate import Generated
    from kinetune.motion.io.formats import ReadOptions

FILES = (
    "AIST++ or EDGE .pkl, AMASS .npz, BVH, .glb, .gltf or .vrm, .fbx, joint positions .npy or .npz"
)
MappingOption = Annotated[
    Path | None,
    typer.Option(help="A TOML file that says which joint is which; inspect --make-mapping."),
]
AnimationOption = Annotated[
    str | None,
    typer.Option(help="Which animation of a glTF or FBX file, by name; else the longest."),
]
FpsOption = Annotated[
    float | None,
    typer.Option(help="Frames a second of joint positions; else the file's own, or 20."),
]


@dataclass(frozen=True)
class AskedReading:
    """What a user says about motion files that they don't say themselves."""

    mapping: Path | None = None
    animation: str | None = None
    fps: float | None = None

    def of(self) -> "ReadOptions":
        """Return how to read the files.

        Raises:
            KinetuneError: The mapping can't be used, or the rate is impossible.
        """
        from kinetune.motion.io.formats import ReadOptions
        from kinetune.motion.retargeting.joint_mapping import read_mapping

        mapping = None if self.mapping is None else read_mapping(self.mapping)
        return ReadOptions(mapping, self.animation, self.fps)


def motions_in(paths: Sequence[Path]) -> list[Path]:
    """Return the files named, and of every folder named the motion files right in it, by name.

    Raises:
        ConfigError: A folder holds none.
    """
    from kinetune.motion.io.formats import MOTION_SUFFIXES

    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in MOTION_SUFFIXES and file.is_file() and file.name[0] != "."
        )
        if not inside:
            raise ConfigError(f"{path}: no motion files ({', '.join(MOTION_SUFFIXES)}) in it")
        found += inside
    return found


def report(
    done: Sequence["Generated"], failed: Mapping[Path, KinetuneError], *, quiet: bool
) -> None:
    """Say of a batch what was made, and on stderr what failed and why."""
    total = len(done) + len(failed)
    if total > 1 and not quiet:
        print(f"{len(done)} of {total} made:")
        for piece in done:
            genre = genres.genre_name(piece.genre)
            length = f"{piece.duration_s:.1f} s of {genre} at {piece.bpm:.1f} bpm"
            print(f"  {piece.motion}: {piece.output}, {length}")
    if failed:
        print(f"kinetune: {len(failed)} of {total} failed:", file=sys.stderr)
        for error in failed.values():
            print(f"  {' '.join(str(error).split())}", file=sys.stderr)
