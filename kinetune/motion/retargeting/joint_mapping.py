"""Mapping files: user-defined matching of a file's joints to the 24 SMPL joints.

Conventions: TOML, one table ``[joints]`` with our names as keys and the file's as values. Hips,
knees, ankles, shoulders and elbows must be named; what is left out of the spine is taken from
the joints between them, any other joint left out stays at rest.
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
from kinetune.motion.retargeting.joint_names import (
    complete_joints,
    guess_joints,
    missing_joints,
    path_to_root,
)
from kinetune.motion.retargeting.skeletal_animation import SkeletalAnimation

_TABLE = "joints"


@dataclass(frozen=True)
class JointMapping:
    """Which joint is which.

    Attributes:
        source: The file it came from, for errors.
        joints: For our joints by name the file's name.
    """

    source: str
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
    for target, source in joints.items():
        if target not in skeleton.JOINT_NAMES:
            known = ", ".join(skeleton.JOINT_NAMES)
            raise ConfigError(f"{path}: unknown joint {target!r}; ours are {known}")
        if not isinstance(source, str):
            raise ConfigError(f"{path}: expected a name for {target}, found {source!r}")
    if missing := missing_joints(joints):
        raise ConfigError(
            f"{path}: expected {', '.join(missing)} in [{_TABLE}] too; no dance can do without"
        )
    return JointMapping(str(path), dict(joints))


def resolve_mapping(
    mapping: JointMapping, animation: SkeletalAnimation, context: str
) -> tuple[int, ...]:
    """Return for each of our 24 joints its place in a animation, -1 where there is none.

    Args:
        mapping: The user's mapping.
        animation: The file.
        context: What to call the file in errors.

    Raises:
        MotionError: The mapping names a joint the file doesn't have, or has twice, or one that
            doesn't hang where it should.
    """
    indices = {
        target: _index_of(source, animation.names, mapping.source, context)
        for target, source in mapping.joints.items()
    }
    return complete_joints(indices, animation.parents, context=f"{context} with {mapping.source}")


def _index_of(name: str, names: Sequence[str], mapping: str, context: str) -> int:
    matches = [index for index, source in enumerate(names) if source == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise MotionError(f"{mapping}: {name!r} is {len(matches)} times in {context}; rename it")
    near = difflib.get_close_matches(name, names, 3) or names[:20]
    raise MotionError(
        f"{mapping}: no joint is called {name!r} in {context}; did you mean {' or '.join(near)}?"
    )


def write_draft(path: Path, animation: SkeletalAnimation, motion: str) -> int:
    """Write a mapping file to be finished by hand, and return how many joints it names already.

    Args:
        path: Where; nothing may stand there yet, for it may be somebody's work.
        animation: The file whose joints are to be named.
        motion: What that file is called.

    Raises:
        OutputError: It can't be written.
        ConfigError: Something is there.
    """
    if path.exists():
        raise ConfigError(f"{path}: is there already; name another file or move it away")
    guessed = guess_joints(animation.names, animation.parents)
    write_text(path, draft(animation, guessed, motion=motion, mapping=str(path)))
    return len(guessed)


def draft(
    animation: SkeletalAnimation, guessed: dict[str, int], *, motion: str, mapping: str
) -> str:
    """Return the text of a mapping file: guessed names filled in, the rest to be done by hand.

    Args:
        animation: The file.
        guessed: For our joints by name the file's index.
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
    for target in skeleton.JOINT_NAMES:
        if target in guessed:
            lines.append(f"{target} = {_quoted(animation.names[guessed[target]])}")
        else:
            lines.append(f'# {target} = ""{"  # needed" if target in needed else ""}')
    lines += ["", "# All joints of the file, each below the one it hangs from:"]
    for index, name in enumerate(animation.names):
        depth = len(path_to_root(animation.parents, index)) - 1
        lines.append(f"# {'  ' * depth}{_quoted(name)}")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
