"""Plain English text to sentences and words, by a few rules one can read.

The words are those of the Penn Treebank and of UD's English treebanks: punctuation and the clitics
`n't` and `'s` stand alone, abbreviations and numbers keep their points, hyphens join.
"""

import re

LONGEST = 60
"""A sentence with more words is cut; one that long in plain text is mostly a list or a table."""

_TITLES = "Mr Mrs Ms Dr Prof Rev Hon St Gen Col Capt Lt Sgt Sen Rep Gov Messrs Mme Mlle"
_OTHERS = "vs etc Inc Ltd Co Corp Bros Jr Sr No Vol Fig Dept Univ Ave Blvd Rd e.g i.e cf al"
_MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov Dec"
_ABBREVIATIONS = frozenset(f"{_TITLES} {_OTHERS} {_MONTHS}".split())

_OPENING = "\"'“\u2018(["  # \u2018 is the left single quotation mark
_BREAK = re.compile(rf"""([.!?…]+)(["'”’)\]]*)\s+(?=[{re.escape(_OPENING)}]*[A-Z0-9])""")
_WORD = re.compile(
    r"""
      (?:[^\W\d_]\.){2,}                          # U.S.
    | \d+(?:[.,:/]\d+)*(?:st|nd|rd|th|s)?(?!\w)   # 1,000.5  12:30  21st  1990s
    | \w+?(?=n['’]t\b) | n['’]t\b                 # do|n't
    | ['’](?:s|re|ve|ll|d|m)\b                    # it|'s
    | \w+(?:[-'’_.@/](?!(?:s|re|ve|ll|d|m)\b)\w+)*  # well-known  O'Brien  example.org
    | \.{2,} | -{2,} | [^\w\s]
    """,
    re.VERBOSE | re.IGNORECASE,
)


def words(text: str) -> tuple[str, ...]:
    """Split text into words; nothing but white space is lost."""
    found: list[str] = []
    for word in _WORD.findall(text):
        if word == "." and found and found[-1] in _ABBREVIATIONS:
            found[-1] += word
        else:
            found.append(word)
    return tuple(found)


def sentences(text: str, *, longest: int = LONGEST) -> list[tuple[str, ...]]:
    """Split text into sentences of words.

    A sentence ends at an empty line, and at `.`, `!`, `?` or `…`, closing quotes included, before
    white space and a capital or digit; not after an abbreviation, a single initial or `U.S.`-like
    letters.  A sentence of more than ``longest`` words is cut, see `cut`.
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        start = 0
        for match in _BREAK.finditer(paragraph):
            before = paragraph[start : match.start()].rsplit(None, 1)
            last = before[-1].lstrip(_OPENING) if before else ""
            if match[1] == "." and (last in _ABBREVIATIONS or re.fullmatch(r"(\w\.)*[A-Z]", last)):
                continue
            found.append(words(paragraph[start : match.end()]))
            start = match.end()
        found.append(words(paragraph[start:]))
    return [piece for sentence in found for piece in cut(sentence, longest=longest)]


def cut(sentence: tuple[str, ...], *, longest: int = LONGEST) -> list[tuple[str, ...]]:
    """Cut a long sentence into pieces of at most ``longest`` words; none for no words.

    A piece ends after the last `,`, `;` or `:` in its second half, or else where it is full.
    """
    pieces = []
    while len(sentence) > longest:
        stops = [n for n in range(longest // 2, longest) if sentence[n] in (",", ";", ":")]
        end = stops[-1] + 1 if stops else longest
        pieces.append(sentence[:end])
        sentence = sentence[end:]
    return [*pieces, sentence] if sentence else pieces
