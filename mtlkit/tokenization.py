"""Words to sub-words and back: which pieces stand for which word.

Labels belong to words, transformers read sub-words.  :class:`Subwords` splits every word with the
tokenizer of an encoder and remembers where the pieces of each word begin and end, so that heads
can speak of words only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

__all__ = ["SHAPES", "Encoding", "Subwords", "TokenizationError", "train_tokenizer", "word_shape"]

SHAPES = (
    "padding",
    "lower",
    "upper",
    "title",
    "title-initial",
    "mixed",
    "digits",
    "digits-mixed",
    "other",
)
"""What a word's characters look like; lost when an encoder lower-cases its input."""

_LONGEST_WORD = 16
"""No word is cut into more pieces than this: a web address must not crowd out its sentence."""

_REMEMBERED = 2**18  # words: in text without end there is no end of new ones


class TokenizationError(ValueError):
    """A sentence that an encoder cannot read."""


@lru_cache(maxsize=2**16)  # words recur
def word_shape(word: str, *, initial: bool) -> int:
    """Index into :data:`SHAPES`; a capital at the start of a sentence says little, so it is apart.

    Orthographic features of this kind are older than neural taggers (Collobert et al. 2011,
    section 6.1, "CAPS"); an uncased encoder needs them to see names.
    """
    if any(c.isdigit() for c in word):
        rest = [c for c in word if not c.isdigit()]
        return SHAPES.index("digits-mixed" if any(c.isalpha() for c in rest) else "digits")
    letters = [c for c in word if c.isalpha()]
    if not letters:
        return SHAPES.index("other")
    if all(c.islower() for c in letters):
        return SHAPES.index("lower")
    if letters[0].isupper() and all(c.islower() for c in letters[1:]):
        return SHAPES.index("title-initial" if initial else "title")
    if all(c.isupper() for c in letters):
        return SHAPES.index("upper")
    return SHAPES.index("mixed")


@dataclass(frozen=True, slots=True)
class Encoding:
    """One sentence as an encoder reads it.

    ``ids`` are sub-word ids with the special tokens around them; word *i* is made of
    ``ids[first[i]] … ids[last[i]]``; ``shapes[i]`` indexes :data:`SHAPES`.
    """

    ids: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    shapes: tuple[int, ...]


@lru_cache(maxsize=4)
def _pieces(tokenizer: str, nothing: int) -> dict[str, tuple[int, ...]]:
    """The words that a tokenizer, given as JSON, has cut: known to all encoders that have it."""
    return {}


class Subwords:
    """Cuts words into sub-words with any fast tokenizer, one word at a time, remembering each.

    Parameters
    ----------
    tokenizer
        A fast tokenizer of ``transformers``.
    longest
        How many sub-words the encoder can read, special tokens included.
    """

    def __init__(self, tokenizer: Any, *, longest: int) -> None:
        self.tokenizer = tokenizer
        self.longest = longest
        unknown = tokenizer.unk_token_id
        # Some characters vanish in normalisation; the word must keep a place all the same.
        self._nothing = unknown if unknown is not None else tokenizer.pad_token_id
        self._pieces = _pieces(tokenizer.backend_tokenizer.to_str(), self._nothing)
        probe = tokenizer([["a"]], is_split_into_words=True)
        places = [i for i, word in enumerate(probe.word_ids(0)) if word is not None]
        ids = probe["input_ids"][0]
        self.prefix: tuple[int, ...] = tuple(ids[: places[0]])
        self.suffix: tuple[int, ...] = tuple(ids[places[-1] + 1 :])

    def __deepcopy__(self, memo: object) -> Self:
        return self  # nothing in it changes but what it remembers

    def learn(self, words: Iterable[str]) -> None:
        """Cut words not met before, in one call to the tokenizer."""
        met = set(words)
        if all(word in self._pieces for word in met):
            return
        if len(self._pieces) > _REMEMBERED:
            self._pieces.clear()
        new = sorted(word for word in met if word not in self._pieces)
        cut = self.tokenizer(
            [[word] for word in new], is_split_into_words=True, add_special_tokens=False
        )["input_ids"]
        for word, pieces in zip(new, cut, strict=True):
            self._pieces[word] = tuple(pieces[:_LONGEST_WORD]) or (self._nothing,)

    def cut(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """The sub-words of each word."""
        self.learn(words)
        return [self._pieces[word] for word in words]

    def encode(self, words: Sequence[str]) -> Encoding:
        """Cut one sentence.

        A sentence of more sub-words than the encoder reads loses the tails of its longest words,
        never a word.

        Raises
        ------
        TokenizationError
            If the sentence has more words than the encoder reads sub-words.
        """
        room = self.longest - len(self.prefix) - len(self.suffix)
        if len(words) > room:
            raise TokenizationError(
                f"a sentence of {len(words)} words starting {' '.join(words[:5])!r} is longer than "
                f"the {room} sub-words that this encoder reads; split the sentence"
            )
        pieces = self.cut(words)
        cap = _LONGEST_WORD
        while sum(map(len, pieces)) > room:
            cap -= 1
            pieces = [piece[:cap] for piece in pieces]
        ids = list(self.prefix)
        first, last = [], []
        for piece in pieces:
            first.append(len(ids))
            ids.extend(piece)
            last.append(len(ids) - 1)
        return Encoding(
            ids=(*ids, *self.suffix),
            first=tuple(first),
            last=tuple(last),
            shapes=tuple(word_shape(word, initial=i == 0) for i, word in enumerate(words)),
        )


@lru_cache(maxsize=4)
def _learnt(text: str, vocabulary: int) -> str:
    """The tokenizer, as JSON: the runs of a process that begin with one text learn it once."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.split("\n"), trainer)
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    return str(tokenizer.to_str())


def train_tokenizer(
    sentences: Iterable[Sequence[str]], *, vocabulary: int
) -> PreTrainedTokenizerFast:
    """Learn byte-level byte-pair encoding from words, for an encoder that starts from nothing.

    Byte-level merges (Sennrich et al. 2016; Radford et al. 2019, section 2.2) know no unknown
    word and keep case, and this trainer gives the same merges in every process, which the
    WordPiece trainer of the same library does not.

    Parameters
    ----------
    sentences
        Sentences as words.
    vocabulary
        At most this many sub-words, special tokens and the 256 bytes included.
    """
    text = "\n".join(" ".join(words) for words in sentences)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_learnt(text, vocabulary)),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=512,
    )
