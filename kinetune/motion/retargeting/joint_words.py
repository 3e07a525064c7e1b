"""Vocabulary of joint names: side and body part, for many programs and languages.

Prefixes and separators fall away, the side is read from a word or a character, and the rest is
looked up in a table. Knows the names of CMU, ASF/AMC, Mixamo, Rokoko, Rigify, Auto-Rig Pro,
Unreal, Unity, VRM, 3ds Max Biped, DAZ, Xsens, OptiTrack Motive, MPI-INF-3DHP, MMD and SMPL, and
those of Spanish, Chinese and Japanese rigs.
"""

import re
import unicodedata
from collections.abc import Sequence

# A Japanese name of the whole leg (MMD) is the Chinese one of the foot.
_LEG_OR_FOOT = "legorfoot"
# For each limb joint the names it goes by, likeliest first. A name taken by one joint is not given
# to the next: with LeftShoulder and LeftArm the shoulder is a collar, alone it is the shoulder.
LIMB_NAMES: dict[str, tuple[str, ...]] = {
    "hip": ("upleg", "upperleg", "thigh", "thighbend", "femur", "hip", "leg", _LEG_OR_FOOT),
    "knee": ("lowerleg", "lowleg", "knee", "shin", "shinbend", "calf", "tibia", "leg"),
    "ankle": ("ankle", "foot", _LEG_OR_FOOT),
    "foot": ("toebase", "toe", "toes", "ball", "forefoot", "foot"),
    "shoulder": ("upperarm", "uparm", "uarm", "arm", "shldr", "shldrbend", "humerus", "shoulder"),
    "elbow": ("forearm", "farm", "lowerarm", "lowarm", "forearmbend", "elbow", "radius", "arm"),
    "wrist": ("wrist", "hand"),
    "hand": ("hand",),
    "collar": ("collar", "clavicle", "clavicula", "clav", "collarbone", "shoulder"),
}
KNOWN_KEYS = frozenset(name for names in LIMB_NAMES.values() for name in names)
_SIDES = {
    "l": "left", "left": "left", "lft": "left", "lt": "left",
    "r": "right", "right": "right", "rgt": "right", "rt": "right",
    "izquierdo": "left", "izquierda": "left", "izq": "left", "izqda": "left",
    "derecho": "right", "derecha": "right", "der": "right", "dcho": "right", "dcha": "right",
}  # fmt: skip
# Words that say what kind of thing a joint is, never which.
_NOISE = frozenset(
    [
        "mixamorig", "skeleton", "def", "org", "mch", "bip", "biped", "valvebiped", "bone", "jnt",
        "jt", "joint", "bn", "bind", "skin", "cc", "base", "stretch",
        "de", "del", "j", "b", "c", "x",
    ]
)  # fmt: skip
_SPANISH = {
    "muslo": "thigh", "pierna": "leg", "rodilla": "knee", "pantorrilla": "calf",
    "espinilla": "shin", "tobillo": "ankle", "pie": "foot", "dedos": "toes", "punta": "toe",
    "clavicula": "clavicle", "hombro": "shoulder", "brazo": "arm", "antebrazo": "forearm",
    "codo": "elbow", "muneca": "wrist", "mano": "hand", "cabeza": "head", "cuello": "neck",
    "cadera": "hip", "superior": "upper", "inferior": "lower",
}  # fmt: skip
_EAST_ASIAN_SIDES = {"左": "left", "右": "right"}
# Names without the side.
_EAST_ASIAN = {
    name: key
    for key, names in {
        "thigh": "大腿 上腿 太もも 太腿 もも 腿根", "knee": "膝 ひざ 膝盖 膝蓋 膝关节 膝部",
        "shin": "小腿 下腿 すね 脛", "leg": "腿 腿部",
        "ankle": "足首 脚踝 腳踝 足踝 踝 脚腕 くるぶし",
        "toe": "つま先 爪先 足先 脚趾 腳趾 脚尖 腳尖 足尖 趾",
        _LEG_OR_FOOT: "足 脚 腳", "foot": "脚掌 腳掌 脚部 足部",
        "clavicle": "锁骨 鎖骨", "shoulder": "肩 肩膀 肩部",
        "upperarm": "上腕 上臂 大臂 二の腕", "arm": "腕 手臂 胳膊 臂",
        "forearm": "前腕 前臂 小臂 下臂", "elbow": "ひじ 肘 手肘 肘部 肘关节",
        "wrist": "手首 手腕 腕部", "hand": "手 手掌 手部",
        "head": "頭 头 頭部 头部", "neck": "首 颈 頸 脖子 颈部 頸部 脖",
    }.items()
    for name in names.split()
}  # fmt: skip
_EAST_ASIAN_ENDINGS = ("ぼーん", "骨骼", "骨頭", "骨头", "骨")
_TO_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[々\u3040-\u30ff\u3400-\u9fff]+")
_MODIFIERS = ("upper", "lower", "up", "low")
# A first word carried by more than this share of the joints is the performer's name (Neo_Hips).
_PREFIX_SHARE = 0.6
_MIN_PREFIXED = 4


def sided_keys(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return for each joint name its side ("left", "right", "") and its bare name.

    Examples:
        ``mixamorig:LeftUpLeg`` gives ("left", "upleg"), ``thigh_r`` gives ("right", "thigh").
    """
    return [_side_and_key(words) for words in _without_prefix([_words(name) for name in names])]


def _words(name: str) -> list[str]:
    """Return the words of a joint name in small letters, sides and parts in English."""
    plain = unicodedata.normalize("NFKC", re.split(r"[:|]", name)[-1])
    words: list[str] = []
    for word in _WORDS.findall(_without_accents(plain)):
        if word.isdigit():
            continue
        small = word.lower()
        words += [_SPANISH.get(small, small)] if word.isascii() else _east_asian_words(word)
    return words


def _without_accents(text: str) -> str:
    """Remove accents from Latin letters; the marks of other scripts are letters of their own."""
    letters = unicodedata.normalize("NFD", text)
    bare = "".join(each for each in letters if not "\u0300" <= each <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def _east_asian_words(word: str) -> list[str]:
    side = next((_EAST_ASIAN_SIDES[each] for each in word if each in _EAST_ASIAN_SIDES), "")
    part = re.sub(r"[左右の]", "", word).translate(_TO_HIRAGANA)
    for ending in ("", *_EAST_ASIAN_ENDINGS):
        key = _EAST_ASIAN.get(part.removesuffix(ending))
        if key:
            return [side, key] if side else [key]
    return [side, part] if side else [part]


def _without_prefix(words: list[list[str]]) -> list[list[str]]:
    first_words = [parts[0] for parts in words if len(parts) > 1]
    for first in set(first_words) - set(_SIDES):
        if first_words.count(first) > max(_MIN_PREFIXED, _PREFIX_SHARE * len(words)):
            cut = [parts[1:] if parts[0:1] == [first] and parts[1:] else parts for parts in words]
            return _without_prefix(cut)
    return words


def _side_and_key(words: list[str]) -> tuple[str, str]:
    words = [word for word in words if word not in _NOISE]
    side = next((_SIDES[word] for word in words if word in _SIDES), "")
    words = [word for word in words if word not in _SIDES]
    if {"toe", "toes"}.intersection(words):
        words = [word for word in words if word != "foot"]
    key = "".join(words)
    if key not in KNOWN_KEYS:
        first = [word for word in words if word in _MODIFIERS]
        moved = "".join(first + [word for word in words if word not in _MODIFIERS])
        key = moved if moved in KNOWN_KEYS else key
    if side or key in KNOWN_KEYS:
        return side, key
    # Without separators: leftarm, lfemur, armleft.
    for mark in ("left", "right", "l", "r"):
        if key.startswith(mark) and key[len(mark) :] in KNOWN_KEYS:
            return _SIDES[mark], key[len(mark) :]
        if len(mark) > 1 and key.endswith(mark) and key[: -len(mark)] in KNOWN_KEYS:
            return _SIDES[mark], key[: -len(mark)]
    return "", key
