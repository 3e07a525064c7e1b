"""The material of a song changed as a prompt requests it: instruments, mode, density and mix.

The song is drawn as the seed gives it, and only what the prompt names is changed afterwards, with
random numbers of its own; so everything else stays. Energies and levels 0 to 1, decibels.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinetune import genres
from kinetune.composer.harmony import Key
from kinetune.composer.material import Material, in_mode, is_minor_cycle
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.grammar import SCALES
from kinetune.corpus.composition.music_score import Mix, Part
from kinetune.corpus.composition.songs import Line, Song
from kinetune.corpus.composition.texture import BED, bed_part
from kinetune.corpus.prompts.attributes import LIMITS, is_real_kit, treble_db
from kinetune.corpus.prompts.reader import Prompt
from kinetune.corpus.prompts.vocabulary import INSTRUMENT, Attribute, attribute
from kinetune.corpus.rendering.synthesis import Timbre
from kinetune.corpus.styles.style import Kit, Layer

# Number in the seed of what is drawn for a prompt.
_STREAM = 407
# Kits for styles that have none of a kind.
_KITS = {
    True: Kit("recorded", "real_kick", "real_snare"),
    False: Kit("machine", "machine_kick", "machine_snare"),
}
# A requested instrument is this much louder, and its tune plays from this energy on.
_REQUESTED_GAIN, _TUNE_FROM = 1.25, 0.1
_ADDED_LEVEL, _ADDED_PAN, _ADDED_REVERB = 0.5, 0.25, 0.3
_ADDED_PERCUSSION = ("x-o-x-o-x-o-x-o-", "x--x--x-x--x--x-")
_ADDED_PITCH = {"hook": 72, "arp": 72, "drum": 60}
# Beds where the genre's own is excluded.
_BEDS = ("pad", "string_section", "drawbar_organ", "choir_aah")
_SWUNG, _STRAIGHT, _NEITHER = (0.24, 0.34), 0.0, 0.1
_WET, _WET_S, _WET_ECHO, _DRY, _AVERAGE_REVERB = 0.42, 1.8, 0.35, 0.04, 0.2
# How the spectrum is tilted at mastering.TONE_HZ; the treble over the bass changes by the factor.
_TILT = (-0.55, -0.45, -0.1, 0.1, 0.45, 0.55)
# A requested tone lies so far beyond its limit, changes by so much at least, and at most.
_BEYOND_DB, _LEAST_DB, _MOST_DB = 1.5, 4.0, 15.0
_ROLES_OF_PERCUSSION = ("drum",)


@dataclass(frozen=True)
class _Draft:
    """A song on its way: what is muted and added, and parts that requests have taken."""

    song: Song
    muted: frozenset[str] = frozenset()
    added: tuple[tuple[Line, Part], ...] = ()
    taken: frozenset[str] = frozenset()

    def role(self, name: str) -> str:
        """The role of a part."""
        lines = (*self.song.lines, *(line for line, _ in self.added))
        return next((line.layer.role for line in lines if line.part == name), name)


def constrain(
    material: Material, key: Key, prompt: Prompt, *, genre: str, seed: int, free_mode: bool
) -> tuple[Material, Key]:
    """Return a song and its key as a prompt requests them.

    Args:
        material: The song as the seed gives it.
        key: Its key.
        prompt: What is requested and excluded.
        genre: Two-letter code.
        seed: Of the song.
        free_mode: Whether the mode is not given by key or chords of the user's.
    """
    rng = np.random.default_rng([seed, _STREAM, genres.genre_index(genre)])
    minor = _wanted(prompt, "mode", "minor", "major")
    song = material.song
    if free_mode and minor is not None:
        song, key = _with_mode(rng, song, minor), replace(key, minor=minor)
    draft = _with_kit(_Draft(song), prompt)
    draft = _without_excluded(rng, draft, prompt)
    draft = _with_requested(rng, draft, prompt)
    draft = _with_density(draft, prompt)
    song = replace(draft.song, swing=_swing(rng, draft.song.swing, prompt))
    mix = _with_space(_with_tone(material.mix, prompt), prompt)
    bed, muted = _bed(genre, seed, draft, prompt)
    return replace(
        material, song=_with_timbres(song, prompt), mix=mix, muted=muted, added=draft.added,
        bed=bed, is_sparse=prompt.wanted("density") == "sparse",
    ), key  # fmt: skip


def _wanted(prompt: Prompt, axis: str, first: str, second: str) -> bool | None:
    """Whether the first of two values is requested, or the second excluded; None for neither."""
    if (wanted := prompt.wanted(axis)) is not None:
        return wanted == first
    unwanted = prompt.unwanted(axis)
    return None if not unwanted or len(unwanted) > 1 else unwanted[0] == second


def _with_mode(rng: np.random.Generator, song: Song, minor: bool) -> Song:
    """The song with progressions of a mode in place of others, and its tune in the scale."""
    options = in_mode(song.style, minor=minor).harmony.progressions
    first, second = (
        cycle if is_minor_cycle(cycle) == minor
        else grammar.read_progression(str(rng.choice(options)))
        for cycle in song.chords
    )  # fmt: skip
    if (first, second) == song.chords:
        return song
    scale = [(song.key + step) % 12 for step in SCALES["minor" if minor else "major"]]
    hook = [(step, steps, _nearest(pitch, scale)) for step, steps, pitch in song.hook]
    return replace(song, chords=(first, second), hook=hook)


def _nearest(pitch: int, scale: Collection[int]) -> int:
    """The note of a scale nearest to a pitch, the lower of two."""
    return next(pitch + by for by in (0, -1, 1, -2, 2) if (pitch + by) % 12 in scale)


def _with_kit(draft: _Draft, prompt: Prompt) -> _Draft:
    """The song with a real drum kit, or a drum machine."""
    real = _wanted(prompt, "kit", "acoustic", "machine")
    parts, style = draft.song.parts, draft.song.style
    if real is None or is_real_kit(parts["kick"].instrument) == real:
        return draft
    fitting = [kit for kit in style.drums.kits if is_real_kit(kit.kick) == real]
    kit = (fitting or [_KITS[real]])[0].parts
    changed = {
        name: replace(part, instrument=kit.get(name, part.instrument))
        for name, part in parts.items()
    }
    return replace(draft, song=replace(draft.song, parts=changed))


def _sounds(prompt: Prompt, names: Iterable[str]) -> list[Attribute]:
    """Those of some attributes that are instruments or kinds of bass."""
    return [each for each in map(attribute, names) if each.axis in (INSTRUMENT, "bass")]


def _instruments(prompt: Prompt) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Instruments of every request by its attribute's name, and all that are excluded.

    Where a request and an exclusion overlap, the narrower one counts: "brass but no trumpet", "no
    guitar but an acoustic guitar".
    """
    requests = {each.name: each.instruments for each in _sounds(prompt, prompt.requested)}
    excluded: set[str] = set()
    for each in _sounds(prompt, prompt.excluded):
        narrower = [
            name for names in requests.values() if len(names) < len(each.instruments)
            for name in names
        ]  # fmt: skip
        excluded |= set(each.instruments) - set(narrower)
    allowed = {
        name: tuple(one for one in instruments if one not in excluded)
        for name, instruments in requests.items()
    }
    return allowed, frozenset(excluded)


def _without_excluded(rng: np.random.Generator, draft: _Draft, prompt: Prompt) -> _Draft:
    """The song with other instruments in place of excluded ones; parts without any are muted."""
    allowed, excluded = _instruments(prompt)
    requested = {name for names in allowed.values() for name in names}
    roles = {part for each in _sounds(prompt, prompt.excluded) for part in each.parts}
    parts, muted = dict(draft.song.parts), set(draft.muted)
    for name, part in parts.items():
        if draft.role(name) in roles and part.instrument not in requested:
            muted.add(name)
        elif part.instrument in excluded:
            options = [o for o in _options(draft, name) if o not in excluded]
            if options:
                parts[name] = replace(part, instrument=str(rng.choice(options)))
            else:
                muted.add(name)
    song = replace(draft.song, parts=parts)
    return replace(draft, song=song, muted=frozenset(muted))


def _options(draft: _Draft, name: str) -> list[str]:
    """The instruments that the style has for a part."""
    style = draft.song.style
    for line in draft.song.lines:
        if line.part == name:
            return list(dict.fromkeys(line.layer.instruments))
    named = {
        "bass": style.bass.instruments, "hook": style.hook.instruments,
        "accent": style.accents.instruments,
    }  # fmt: skip
    if name in named:
        return list(dict.fromkeys(named[name]))
    return list(dict.fromkeys(k.parts[name] for k in style.drums.kits if name in k.parts))


def _with_requested(rng: np.random.Generator, draft: _Draft, prompt: Prompt) -> _Draft:
    """The song with every requested instrument, in a part that it has or one that is added."""
    allowed, _ = _instruments(prompt)
    for each in _sounds(prompt, prompt.requested):
        draft = _with_one(rng, draft, each, allowed[each.name])
    return draft


def _with_one(
    rng: np.random.Generator, draft: _Draft, wanted: Attribute, allowed: Sequence[str]
) -> _Draft:
    if wanted.axis == "bass":
        return _given(draft, "bass", _preferred(rng, draft, "bass", allowed))
    if wanted.parts and wanted.roles[0] not in ("hook", *_ROLES_OF_PERCUSSION):
        # Kick, hats and bass are there anyway.
        return replace(
            draft, muted=draft.muted - {n for n in draft.song.parts if n in wanted.parts}
        )
    candidates = _candidates(draft, wanted)
    playing = [n for n in candidates if _plays(draft, n, wanted, allowed)]
    if playing:
        return _given(draft, playing[0], draft.song.parts[playing[0]].instrument)
    if wanted.parts == ("hook",):
        return _given(draft, "hook", draft.song.parts["hook"].instrument)
    free = [n for n in candidates if n not in draft.taken]
    if free and allowed:
        return _given(draft, free[0], _preferred(rng, draft, free[0], allowed))
    return _with_added(rng, draft, wanted, allowed) if allowed else draft


def _plays(draft: _Draft, name: str, wanted: Attribute, allowed: Sequence[str]) -> bool:
    is_it = draft.song.parts[name].instrument in allowed or draft.role(name) in wanted.parts
    return is_it and name not in draft.muted


def _candidates(draft: _Draft, wanted: Attribute) -> list[str]:
    """Parts that an instrument can be given to, best first."""
    names = list(draft.song.parts)
    return [n for role in wanted.roles for n in names if draft.role(n) == role]


def _preferred(rng: np.random.Generator, draft: _Draft, name: str, allowed: Sequence[str]) -> str:
    """One of the instruments: as the part has it, of the style's, or the first."""
    own = draft.song.parts[name].instrument
    options = [o for o in _options(draft, name) if o in allowed]
    return own if own in allowed else str(rng.choice(options)) if options else allowed[0]


def _given(draft: _Draft, name: str, instrument: str) -> _Draft:
    """The song whose part is an instrument's, at any energy, a little louder."""
    song = draft.song
    part = song.parts[name]
    gain = 1.0 if name in draft.taken else _REQUESTED_GAIN
    part = replace(part, instrument=instrument, level=gain * part.level)
    lines = tuple(
        replace(line, layer=replace(line.layer, min_energy=0.0)) if line.part == name else line
        for line in song.lines
    )
    tune = min(song.hook_min_energy, _TUNE_FROM) if name == "hook" else song.hook_min_energy
    song = replace(
        song, parts={**song.parts, name: part}, lines=lines, hook_min_energy=tune,
        never_rests=song.never_rests | ({name} - {"bass"}),
    )  # fmt: skip
    return replace(draft, song=song, muted=draft.muted - {name}, taken=draft.taken | {name})


def _with_added(
    rng: np.random.Generator, draft: _Draft, wanted: Attribute, allowed: Sequence[str]
) -> _Draft:
    """The song with a part more."""
    role = wanted.roles[0] if wanted.roles[0] in ("chord", "pad", "arp", "drum") else "arp"
    style = draft.song.style
    layer = next((each for each in style.layers if each.role == role), None)
    if layer is None:
        like = next(each for each in style.layers if each.role == "chord")
        rhythms = like.rhythms if role != "drum" else _ADDED_PERCUSSION
        layer = Layer(role, tuple(allowed), rhythms, center_pitch=_ADDED_PITCH.get(role, 62))
    return _add(rng, draft, replace(layer, min_energy=0.0), allowed[0])


def _add(rng: np.random.Generator, draft: _Draft, layer: Layer, instrument: str) -> _Draft:
    name = f"added{len(draft.added)}"
    is_drum = layer.role == "drum"
    part = Part(
        name, instrument, Timbre(seed=int(rng.integers(1 << 30))), _ADDED_LEVEL * 1.25,
        float(rng.uniform(-_ADDED_PAN, _ADDED_PAN)), _ADDED_REVERB, not is_drum,
        "drums" if is_drum else "music",
    )  # fmt: skip
    line = Line(layer, name, (layer.rhythms[0], layer.rhythms[-1]))
    return replace(draft, added=(*draft.added, (line, part)), taken=draft.taken | {name})


def _with_density(draft: _Draft, prompt: Prompt) -> _Draft:
    """The song with sparser or denser rhythms, and fewer or more parts."""
    sparse = _wanted(prompt, "density", "sparse", "busy")
    if sparse is None:
        return draft
    draft = replace(draft, song=_with_rhythms(draft.song, densest=not sparse))
    if prompt.wanted("density") is None:
        return draft
    return _thinned(draft) if sparse else _filled(draft, prompt)


def _with_rhythms(song: Song, *, densest: bool) -> Song:
    """The song with the sparsest or the densest of the style's rhythms."""
    style = song.style

    def extreme(options: Iterable[str]) -> str:
        return (max if densest else min)(options, key=_hits)

    hat = extreme(style.drums.hat)
    bass, kick = extreme(style.bass.rhythms), extreme(style.drums.kick)
    lines = tuple(replace(line, rhythms=(extreme(line.layer.rhythms),) * 2) for line in song.lines)
    return replace(
        song, kick=(kick, kick), snare=extreme(style.drums.snare), hat=(hat, hat),
        open_hat=extreme(style.drums.open_hat), bass=(bass, bass), lines=lines,
    )  # fmt: skip


def _hits(rhythm: str) -> float:
    """How many notes a rhythm has; rolls are three."""
    return sum({"-": 0.0, "=": 0.0, ".": 0.5, "r": 3.0}.get(symbol, 1.0) for symbol in rhythm)


def _thinned(draft: _Draft) -> _Draft:
    """The song with one part that carries the harmony and what was requested, besides the kit."""
    song = draft.song
    able = [line for line in song.lines if line.part not in draft.muted]
    carriers = [line for line in able if line.layer.role in ("pad", "chord")]
    kept = {line.part for line in sorted(carriers, key=lambda c: _hits(c.rhythms[0]))[:1]}
    kept |= draft.taken
    muted = {line.part for line in song.lines if line.part not in kept}
    muted |= {name for name in ("hook", "layer", "open_hat", "tom") if name not in kept}
    return replace(draft, muted=draft.muted | (muted & set(song.parts)))


def _filled(draft: _Draft, prompt: Prompt) -> _Draft:
    """The song with all layers of its style, at any energy, and its tune."""
    _, excluded = _instruments(prompt)
    roles = {part for each in _sounds(prompt, prompt.excluded) for part in each.parts}
    song = draft.song
    lines = tuple(replace(c, layer=replace(c.layer, min_energy=0.0)) for c in song.lines)
    tune = song.hook_min_energy if "hook" in roles else min(song.hook_min_energy, _TUNE_FROM)
    draft = replace(draft, song=replace(song, lines=lines, hook_min_energy=tune))
    rng = np.random.default_rng(song.parts["kick"].timbre.seed)
    for index, layer in enumerate(song.style.layers):
        able = [name for name in layer.instruments if name not in excluded]
        if f"line{index}" not in song.parts and able and layer.role not in roles:
            dense = (max(layer.rhythms, key=_hits),)
            draft = _add(rng, draft, replace(layer, min_energy=0.0, rhythms=dense), able[0])
    return draft


def _swing(rng: np.random.Generator, swing: float, prompt: Prompt) -> float:
    if (wanted := prompt.wanted("feel")) is not None:
        return max(swing, float(rng.uniform(*_SWUNG))) if wanted == "swing" else _STRAIGHT
    for value in prompt.unwanted("feel"):
        swing = min(swing, _NEITHER) if value == "swing" else max(swing, _NEITHER)
    return swing


def _with_tone(mix: Mix, prompt: Prompt) -> Mix:
    """The mix with more or less treble."""
    low, high = LIMITS["tone"]
    now, wanted = treble_db(mix), prompt.wanted("tone")
    change = 0.0
    if wanted == "dark":
        change = float(np.clip(low - _BEYOND_DB - now, -_MOST_DB, -_LEAST_DB))
    elif wanted == "bright":
        change = float(np.clip(high + _BEYOND_DB - now, _LEAST_DB, _MOST_DB))
    for value in prompt.unwanted("tone"):
        limit = 0.5 * low if value == "dark" else 0.5 * high
        change = max(change, limit - now) if value == "dark" else min(change, limit - now)
    if not change:
        return mix
    tone = mix.tone_db or (0.0,) * len(_TILT)
    return replace(mix, tone_db=tuple(
        db + share * change for db, share in zip(tone, _TILT, strict=True)
    ))  # fmt: skip


def _with_timbres(song: Song, prompt: Prompt) -> Song:
    """The song with duller or brighter instruments."""
    wanted = prompt.wanted("tone")
    if wanted is None:
        return song
    base = 0.0 if wanted == "dark" else 0.5
    parts = {
        name: replace(part, timbre=replace(part.timbre, bright=base + 0.5 * part.timbre.bright))
        for name, part in song.parts.items()
    }
    return replace(song, parts=parts)


def _with_space(mix: Mix, prompt: Prompt) -> Mix:
    """The mix with more or less reverberation and echo."""
    if (wanted := prompt.wanted("space")) == "wet":
        reverb, length_s = max(mix.reverb, _WET), max(mix.reverb_s, _WET_S)
        return replace(mix, reverb=reverb, reverb_s=length_s, echo=max(mix.echo, _WET_ECHO))
    if wanted == "dry":
        return replace(mix, reverb=min(mix.reverb, _DRY), echo=0.0)
    for value in prompt.unwanted("space"):
        limit = min if value == "wet" else max
        mix = replace(mix, reverb=limit(mix.reverb, _AVERAGE_REVERB))
    return mix


def _bed(genre: str, seed: int, draft: _Draft, prompt: Prompt) -> tuple[Part, frozenset[str]]:
    """The part that plays beds, and all parts that are muted."""
    _, excluded = _instruments(prompt)
    bed = bed_part(genre, seed)
    options = [name for name in (bed.instrument, *_BEDS) if name not in excluded]
    if not options:
        return bed, draft.muted | {BED}
    return replace(bed, instrument=options[0]), draft.muted
