"""Mapping files: a person's word on which joint of a file is which of our 24.

Conventions: TOML, one table ``[joints]`` with our names as keys and the file's as values. Hips,
knees, ankles, shoulders and elbows must be named; what is left out of the spine is found by its
place between them, any other joint left out stays at rest.
"""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinetune.config import read_toml
from kinetune.errors import ConfigError, MotionError
from kinetune.files import write_text
from kinetune.motion import skeleton
from kinetune.motion.retargeting.joint_names import guess, in_place, missing_joints, path_up
from kinetune.motion.retargeting.skeletal_animation import Take

_TABLE = "joints"


@dataclass(frozen=True)
class JointMapping:
    """Which joint is which.

    Attributes:
        where: The file it came from, for errors.
        joints: For our joints by name the name of theirs.
    """

    where: str
    joints: dict[str, str]


def read_mapping(path: Path) -> JointMapping:
    """Read a mapping file.

    Raises:
        ConfigError: It isn't TOML, names a joint that isn't ours, or misses a limb.
    """
    table = read_toml(path)
    joints = table.get(_TABLE)
    if not isinstance(joints, dict) or set(table) != {_TABLE}:
        raise ConfigError(
            f"{path}: expected one table [{_TABLE}], found {', '.join(table) or 'nothing'}"
        )
    for ours, theirs in joints.items():
        if ours not in skeleton.JOINT_NAMES:
            known = ", ".join(skeleton.JOINT_NAMES)
            raise ConfigError(f"{path}: unknown joint {ours!r}; ours are {known}")
        if not isinstance(theirs, str):
            raise ConfigError(f"{path}: expected a name for {ours}, found {theirs!r}")
    if missing := missing_joints(joints):
        raise ConfigError(
            f"{path}: expected {', '.join(missing)} in [{_TABLE}] too; no dance can do without"
        )
    return JointMapping(str(path), dict(joints))


def places_of(mapping: JointMapping, take: Take, where: str) -> tuple[int, ...]:
    """Return for each of our 24 joints its place in a take, -1 where there is none.

    Args:
        mapping: What a person said.
        take: The file.
        where: What to call the file in errors.

    Raises:
        MotionError: The mapping names a joint the file doesn't have, or has twice, or one that
            doesn't hang where it should.
    """
    places = {
        ours: _place_of(theirs, take.names, mapping.where, where)
        for ours, theirs in mapping.joints.items()
    }
    return in_place(places, take.parents, where=f"{where} with {mapping.where}")


def _place_of(name: str, names: Sequence[str], mapping: str, where: str) -> int:
    found = [place for place, theirs in enumerate(names) if theirs == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise MotionError(f"{mapping}: {name!r} stands {len(found)} times in {where}; rename it")
    near = difflib.get_close_matches(name, names, 3) or names[:20]
    raise MotionError(
        f"{mapping}: no joint is called {name!r} in {where}; did you mean {' or '.join(near)}?"
    )


def write_draft(path: Path, take: Take, motion: str) -> int:
    """Write a mapping file to be finished by hand, and return how many joints it names already.

    Args:
        path: Where; nothing may stand there yet, for it may be somebody's work.
        take: The file whose joints are to be named.
        motion: What that file is called.

    Raises:
        OutputError: It can't be written.
        ConfigError: Something is there.
    """
    if path.exists():
        raise ConfigError(f"{path}: is there already; name another file or move it away")
    found = guess(take.names, take.parents)
    write_text(path, draft(take, found, motion=motion, mapping=str(path)))
    return len(found)


def draft(take: Take, found: dict[str, int], *, motion: str, mapping: str) -> str:
    """Return the text of a mapping file: what was found filled in, the rest to be done by hand.

    Args:
        take: The file.
        found: For our joints by name the place of theirs.
        motion: What the file is called.
        mapping: What the mapping file will be called.
    """
    needed = missing_joints(())
    lines = [
        f"# Which joint of {_quoted(motion)} is which of ours. Correct it, then:",
        f"#   kinetune generate {_quoted(motion)} --mapping {_quoted(mapping)}",
        f"# Needed: {', '.join(needed)}.",
        "# Joints of the spine left out are found by their place, others left out don't move.",
        f"[{_TABLE}]",
    ]
    for ours in skeleton.JOINT_NAMES:
        if ours in found:
            lines.append(f"{ours} = {_quoted(take.names[found[ours]])}")
        else:
            lines.append(f'# {ours} = ""{"  # needed" if ours in needed else ""}')
    lines += ["", "# All joints of the file, each below the one it hangs from:"]
    for place, name in enumerate(take.names):
        depth = len(path_up(take.parents, place)) - 1
        lines.append(f"# {'  ' * depth}{_quoted(name)}")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
