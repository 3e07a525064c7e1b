"""The encoding of text files that don't name it.

Motion capture software writes joint names in the encoding of the computer it runs on. Sides are in
nearly every joint name, so a legacy encoding of East Asia is recognised by its characters for left
and right. Everything decodes: what is unknown is read as Latin-1, in which every byte is a letter.
"""

_LEFT_AND_RIGHT = ("左", "右", "왼", "오른")
# Japanese, Chinese (simplified, traditional), Korean.
_LEGACY_ENCODINGS = ("cp932", "gb18030", "big5", "cp949")


def decode_text(raw: bytes) -> str:
    """Return the text of a file: UTF-8, a legacy encoding, else Latin-1."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    for encoding in _LEGACY_ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if any(character in text for character in _LEFT_AND_RIGHT):
            return text
    return raw.decode("latin1")
