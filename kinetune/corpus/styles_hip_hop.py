"""Middle hip-hop, LA-style hip-hop and street jazz: their music as tables.

In the words of corpus/grammar.py; each follows the music its dance grew up with.
"""

from kinetune.corpus.grammar import BACKBEAT, EIGHTHS, SIXTEENTHS, Kit, Layer, Mood, Style

MIDDLE_HIP_HOP = Style(
    kits=(
        Kit("kick_live", "snare_live"),
        Kit("kick_909", "snare_live", layer="clap"),
        Kit("kick_808", "snare_live", layer="rim"),
    ),
    kick=(
        "X------xX-x-----",
        "X-x----x--x-----",
        "X-----x--xx-----",
        "X--x---x-x------",
        "X-------X-x----x",
    ),
    snare=(BACKBEAT, "----X-------X--.", "----X--.----X---"),
    hat=(EIGHTHS, "x-x-x-xox-x-x-x-", "x-oxx-oxx-oxx-ox"),
    opened=("----------------", "------x---------", "--------------x-"),
    scales=("minor-pentatonic", "dorian", "blues"),
    progressions=(
        "I:m9 IV:13",
        "II:m9 V:13 I:M9 VI:m7",
        "I:m7 bVI:M7",
        "I:m9 bVII:13 bVI:M9 V:7#9",
        "IV:M9 III:m7",
        "I:m11 IV:9 I:m11 bII:M7",
    ),
    bass=("upright_bass", "upright_bass", "finger_bass", "sub_bass"),
    bass_lines=("1==---1--5-7----", "1=--1---7=5---a-", "1====-5---1=3-5-", "1=----1-8--7--5-"),
    layers=(
        Layer(
            "chord",
            ("electric_piano", "electric_piano", "piano"),
            ("X=====--x===----", "X===---x====----", "--X====---X==---", "X==x====--------"),
            0.45,
            60,
            0.0,
        ),
        Layer(
            "chord",
            ("guitar", "mallet", "brass"),
            ("------x-----x---", "X--x------------", "----------x-x---"),
            0.26,
            66,
            0.35,
            0.7,
        ),
        Layer(
            "drum",
            ("shaker", "tambourine", "conga"),
            ("x-x-x-x-x-x-x-x-", "--x---x---x---x-"),
            0.2,
            60,
            0.3,
            0.6,
        ),
        Layer("drum", ("scratch",), ("------------x-xx", "----------x--x--"), 0.26, 60, 0.5, 0.5),
    ),
    hook=("flute", "mallet", "guitar", "vocal", "brass"),
    hook_chance=0.55,
    mood=Mood(
        swing=(0.18, 0.4),
        tilt_db=(-5.0, 0.0),
        room=(0.05, 0.15),
        drive=(0.3, 0.6),
        dust=(0.15, 0.8),
    ),
)

LA_HIP_HOP = Style(
    kits=(
        Kit("kick_808", "clap", layer="snare_808"),
        Kit("kick_808", "snap", layer="clap"),
        Kit("kick_909", "clap"),
    ),
    kick=(
        "X-----x---x-----",
        "X--x----X-----x-",
        "X-------X--x----",
        "X-----xx--x---x-",
        "X--X--X---X-----",
    ),
    snare=(BACKBEAT, "----X-------X---", "----X-------X--x"),
    hat=("x-x-x-xxx-x-x-r-", EIGHTHS, "x-x-r-x-x-xxr-x-", SIXTEENTHS, "x-r-x-x-xxx-r-x-"),
    opened=("----------------", "----------x-----", "--x-------------"),
    scales=("minor", "minor-pentatonic", "phrygian"),
    progressions=(
        "I:m",
        "I:m bVI:M7",
        "I:m7 IV:m7",
        "I:m bVII: bVI: V:",
        "I:m9 bVI:M9 IV:m9 V:7#9",
        "I:m I:m bII:M7 I:m",
    ),
    bass=("sub_bass", "sub_bass", "square_bass"),
    bass_lines=("1=====--1===--8-", "1===--1---1=5=--", "1==1==1=--8===--", "1=----1=--1=--7="),
    layers=(
        Layer(
            "chord",
            ("piano", "mallet", "pluck", "electric_piano"),
            ("X--x--x-X--x--x-", "X===x===X===x===", "x--x--x---x--x--"),
            0.36,
            64,
            0.0,
        ),
        Layer("pad", ("pad", "strings", "vocal"), level=0.28, center=60, needs=0.0, chance=0.8),
        Layer(
            "arp",
            ("pluck", "mallet", "piano"),
            ("x-x-x-x-x-x-x-x-", "x--x--x---x--x--"),
            0.26,
            74,
            0.4,
            0.6,
        ),
        Layer(
            "drum",
            ("rim", "snap", "shaker"),
            ("--x--x----x--x--", "------x--x------", "x-x-x-x-x-x-x-x-"),
            0.24,
            60,
            0.35,
            0.7,
        ),
    ),
    hook=("whistle", "whistle", "lead", "vocal"),
    hook_chance=0.75,
    hook_center=78,
    bass_center=33,
    boom="sub_drop",
    mood=Mood(
        swing=(0.0, 0.12), room=(0.1, 0.3), drive=(0.2, 0.55), duck=(0.2, 0.5), live=(0.0, 0.003)
    ),
)

STREET_JAZZ = Style(
    kits=(
        Kit("kick_808", "snap", layer="clap"),
        Kit("kick_909", "clap"),
        Kit("kick_live", "snare_808", layer="snap"),
    ),
    kick=("X-----x---x-----", "X--x------x--x--", "X-------x--x----", "X------x-xx-----"),
    snare=(BACKBEAT, "----X-------X--.", "----X-------X---"),
    hat=(EIGHTHS, "x-xxx-x-x-xxx-x-", "x---x-x-x---x-xx", SIXTEENTHS),
    opened=("----------------", "--------------x-", "------x---------"),
    scales=("major-pentatonic", "minor-pentatonic", "dorian", "major"),
    progressions=(
        "IV:M9 III:m7 II:m9 I:M9",
        "I:M9 VI:m9 II:m9 V:13",
        "VI:m9 IV:M9 I:add9 V:sus",
        "I:m9 IV:13 bVII:M9 bIII:M7",
        "II:m11 III:m7 IV:M9 V:sus",
        "bVI:M9 bVII:sus I:m11 I:m11",
    ),
    bass=("sub_bass", "finger_bass", "square_bass", "saw_bass"),
    bass_lines=("1===--1---5=7---", "1=====----1=8---", "1==1--5=--1=--a-", "1=--1=--8=--5=--"),
    layers=(
        Layer(
            "chord",
            ("electric_piano", "electric_piano", "piano"),
            ("X=====x=========", "X=======X===x===", "X==x========x===", "--X=====--X====="),
            0.46,
            62,
            0.0,
        ),
        Layer("pad", ("pad", "vocal", "strings"), level=0.3, center=64, needs=0.0, chance=0.85),
        Layer(
            "arp",
            ("guitar", "pluck", "mallet"),
            ("x--x--x-x--x--x-", "x-x-x-x-x-x-x-x-", "--x--x----x--x--"),
            0.28,
            70,
            0.35,
            0.7,
        ),
        Layer(
            "drum",
            ("shaker", "rim", "snap", "tambourine"),
            ("x-x-x-x-x-x-x-x-", "------x--x----x-"),
            0.22,
            60,
            0.35,
            0.7,
        ),
    ),
    hook=("vocal", "vocal", "guitar", "lead", "flute"),
    hook_chance=0.7,
    mood=Mood(swing=(0.0, 0.2), room=(0.15, 0.35), drive=(0.05, 0.3), duck=(0.15, 0.4)),
)
