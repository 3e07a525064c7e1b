"""Identifiers use the field's standard terms; non-standard words stay out."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kinetune"
MODULES = sorted(PACKAGE.rglob("*.py"))
# As a part of any identifier (``heard`` bans ``heard_grid``): what each should be called instead.
BANNED = {
    "alike": "expand, same", "asked": "requested", "astray": "deviation",
    "bent": "time_warped", "bring": "copy, provide", "deceived": "adversarial",
    "delivered": "export", "ear": "embedder", "ears": "embedders", "found": "name what it is",
    "hear": "analyse", "heard": "analysis", "hears": "analyse", "held": "known", "hushed": "mute",
    "judged": "score", "listen": "analyse", "listened": "analysis", "listening": "analysis",
    "ours": "target", "place": "index, position", "places": "positions", "ring": "loop",
    "room": "time_before, layer, memmap", "rooms": "layers", "roomy": "zeros_like_spill",
    "roughen": "augment", "roughened": "augment_features", "said": "text, message",
    "stood": "position", "stranger": "unseen, untrusted", "strangers": "unseen",
    "suffered": "augment", "tells": "name what it gives", "theirs": "source",
    "thrown": "rejected", "told": "conditions", "trap": "limit", "untold": "uncond",
    "whose": "name it", "withhold": "drop_conditions", "witness": "evidence",
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


# Standard terms that hold such a word.
STANDARD = ("held_out", "in_place", "place_pattern")


def parts(identifier: str) -> set[str]:
    if not identifier.isupper():
        identifier = "".join(f"_{c}" if c.isupper() else c for c in identifier)
    identifier = identifier.lower()
    for term in STANDARD:
        identifier = identifier.replace(term, "")
    return set(identifier.split("_"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_identifier_contains_a_non_standard_word(path):
    wrong = {name: BANNED[p] for name in identifiers(path) for p in parts(name) & set(BANNED)}
    assert not wrong, f"use another word: {wrong}"


def test_non_standard_words_are_detected():
    assert parts("heard_grid") & set(BANNED)
    assert parts("AllTold") & set(BANNED)
    assert not parts("replaced_held_out_in_place") & set(BANNED)
