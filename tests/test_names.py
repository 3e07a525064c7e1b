"""Identifiers use the field's standard terms; non-standard words stay out."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
MODULES = sorted(
    path
    for folder in ("kinetune", "benchmarks", "tools", "examples")
    for path in (REPOSITORY / folder).rglob("*.py")
)
# As a part of any identifier (``heard`` bans ``heard_grid``): what each should be called instead.
BANNED = {
    "alike": "expand, same", "asked": "requested", "astray": "deviation",
    "believed": "weighted, blended", "bent": "time_warped", "bring": "copy, provide",
    "dealt": "assigned", "deceived": "adversarial", "delivered": "export",
    "dull": "cutoff, lowpass", "ear": "embedder", "ears": "embedders", "found": "name what it is",
    "froms": "backpointers", "hear": "analyse", "heard": "analysis", "hears": "analyse",
    "held": "known", "hushed": "mute", "judge": "score, classify", "judged": "score, classified",
    "laid": "overlap_add", "listen": "analyse", "listened": "analysis", "listening": "analysis",
    "ours": "target", "place": "index, position", "places": "positions", "ring": "loop",
    "room": "time_before, layer, memmap", "rooms": "layers", "roomy": "zeros_like_spill",
    "roughen": "augment", "roughened": "augment_features", "said": "text, message", "sane": "valid",
    "say": "print", "shaky": "jitter", "speak": "name what it gives", "stood": "position",
    "strange": "unexpected", "stranger": "unseen, untrusted", "strangers": "unseen",
    "suffered": "augment", "sureness": "concentration, confidence", "surest": "most_probable",
    "tells": "name what it gives", "theirs": "source", "thrown": "rejected", "tidy": "remove, sort",
    "told": "conditions", "trap": "limit", "unforeseen": "unexpected", "untold": "uncond",
    "whose": "name it", "withhold": "drop_conditions", "witness": "evidence", "wobble": "vibrato",
}  # fmt: skip


def identifiers(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


# Names of several words that are banned as a whole.
BANNED_NAMES = {"made_up": "synthetic"}
# Standard terms that hold such a word.
STANDARD = ("held_out", "in_place", "place_pattern", "listening_test")


def parts(identifier: str) -> set[str]:
    if not identifier.isupper():
        identifier = "".join(f"_{c}" if c.isupper() else c for c in identifier)
    identifier = identifier.lower()
    for term in STANDARD:
        identifier = identifier.replace(term, "")
    return set(identifier.split("_"))


def better_words(identifier: str) -> list[str]:
    """What to write instead of the non-standard words in a name; nothing if there are none."""
    words = [BANNED[part] for part in parts(identifier) & set(BANNED)]
    return words + [word for name, word in BANNED_NAMES.items() if name in identifier.lower()]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_identifier_contains_a_non_standard_word(path):
    wrong = {name: better for name in identifiers(path) if (better := better_words(name))}
    assert not wrong, f"use another word: {wrong}"


def test_non_standard_words_are_detected():
    for name in ("heard_grid", "AllTold", "made_up_share", "_SUREST"):
        assert better_words(name), name
    assert not better_words("replaced_held_out_in_place")
