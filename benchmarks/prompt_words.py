"""How well words that are in no list are matched to musical attributes (needs kinetune[text]).

    python benchmarks/prompt_words.py

For every threshold: the share of words with a meaning that get it, that get another, and the share
of words without a musical meaning that get one.
"""

from kinetune.corpus.prompts.sentences import find_matcher, match

# Words that stand nowhere in the vocabulary, and an attribute that each should mean.
MEANINGS = {
    "grim": "tone:dark", "bleak": "mode:minor", "spooky": "mode:minor", "evil": "mode:minor",
    "jolly": "mode:major", "gleeful": "mode:major", "optimistic": "mode:major",
    "upbeat": "mode:major", "depressing": "mode:minor", "heartbroken": "mode:minor",
    "serene": "energy:calm", "soothing": "energy:calm", "sleepy": "energy:calm",
    "lullaby": "energy:calm", "meditative": "energy:calm", "vigorous": "energy:energetic",
    "dynamic": "energy:energetic", "forceful": "energy:energetic", "frantic": "tempo:fast",
    "hurried": "tempo:fast", "swift": "tempo:fast", "sluggish": "tempo:slow",
    "unhurried": "tempo:slow", "leisurely": "tempo:slow", "spartan": "density:sparse",
    "austere": "density:sparse", "uncluttered": "density:sparse", "cluttered": "density:busy",
    "elaborate": "density:busy", "mandolin": "instrument:guitar", "ukulele": "instrument:guitar",
    "banjo": "instrument:guitar", "tuba": "instrument:brass", "bugle": "instrument:trumpet",
    "clarinet": "instrument:flute", "oboe": "instrument:flute", "panpipes": "instrument:flute",
    "symphony": "instrument:strings", "philharmonic": "instrument:strings",
    "rattle": "instrument:shaker", "castanets": "instrument:claves",
    "echoes": "space:wet", "robotic": "feel:straight",
}  # fmt: skip
# Words without a musical meaning, nonsense, and other languages.
OTHERS = (
    "purple", "table", "tax return", "xyzzy", "plugh", "quantum", "lorem ipsum", "bicycle",
    "tuesday", "asdf", "qwertz", "my grandmother", "banana", "invoice", "photosynthesis",
    "democracy", "python",
    "dunkles stück", "geige", "langsam", "traurig", "musique sombre", "joyeux", "schnell", "lent",
    "violon", "klavier", "triste", "fröhlich", "wolke", "fenster", "voiture", "chien", "42", "1999",
    "elephant", "carpet", "weather report", "football", "sandwich", "the president",
)  # fmt: skip


def main() -> None:
    matcher = find_matcher()
    if matcher is None:
        raise SystemExit('the sentence model isn\'t installed; pip install "kinetune[text]"')
    folder = matcher.args[0]
    print(f"{len(MEANINGS)} words with a meaning, {len(OTHERS)} without")
    print("threshold  right  another  none   without a meaning: matched")
    for threshold in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        made = match(folder, list(MEANINGS), threshold=threshold)
        right = sum(want in names for want, names in zip(MEANINGS.values(), made, strict=True))
        wrong = sum(bool(names) for names in made) - right
        false = sum(bool(names) for names in match(folder, OTHERS, threshold=threshold))
        print(
            f"{threshold:9.2f} {right / len(made):6.0%} {wrong / len(made):8.0%} "
            f"{1 - (right + wrong) / len(made):5.0%} {false / len(OTHERS):12.0%}"
        )


if __name__ == "__main__":
    main()
