"""Just enough Korean grammar: bare nouns to search for, polite endings to speak with."""

import re

# The Unicode Standard, section 3.12: a syllable is (lead * 21 + vowel) * 28 + final from U+AC00.
_FIRST_SYLLABLE = 0xAC00
_FINALS = 28
_NO_FINAL, _N, _L, _B = 0, 4, 8, 17

HANGUL = re.compile("[가-힣]")
_PLAIN_ENDING = re.compile(r"(\w?)([가-힣])다(?=\.\W*$)")
# Adjectives keep these before 다 in the plain style (필요하다, 크다, 빠르다); after any other open
# syllable 다 is a noun's contracted 이다 (추세다).
_ADJECTIVE_STEMS = frozenset("하이니크르쁘프싸되")
# Longest first: 에서는 is one particle too many for 는 alone.
_PARTICLES = (
    *("에서는", "에서도", "으로는", "으로도", "이라는", "까지는"),
    *("에는", "에도", "에서", "으로", "부터", "까지", "보다"),
    *("처럼", "이나", "이랑", "하고", "에게"),
    *("은", "는", "이", "가", "을", "를", "의", "에", "로", "와", "과", "도", "만", "나"),
)
_SHORTEST_NOUN = 2


def is_korean(text: str) -> bool:
    """Return whether `text` has any Hangul in it."""
    return HANGUL.search(text) is not None


def noun(word: str) -> str:
    """Return `word` without its particle: 영업이익은 -> 영업이익."""
    for particle in _PARTICLES:
        if word.endswith(particle) and len(word) - len(particle) >= _SHORTEST_NOUN:
            return word.removesuffix(particle)
    return word


def polite(sentence: str) -> str:
    """Return a plain-style sentence in the polite style: 줄었다. -> 줄었습니다."""
    return _PLAIN_ENDING.sub(lambda match: _polite_ending(match[1], match[2]), sentence)


def _polite_ending(before: str, stem: str) -> str:
    if stem == "는":  # 읽는다 -> 읽습니다
        return f"{before}습니다"
    final = (ord(stem) - _FIRST_SYLLABLE) % _FINALS
    if final in (_N, _L) or (final == _NO_FINAL and stem in _ADJECTIVE_STEMS):
        # 한다 -> 합니다, 길다 -> 깁니다, 크다 -> 큽니다
        return f"{before}{chr(ord(stem) - final + _B)}니다"
    if final == _NO_FINAL:
        return f"{before}{stem}입니다"
    return f"{before}{stem}습니다"
