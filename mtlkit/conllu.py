"""Sentences and their trees, in the CoNLL-U format of Universal Dependencies.

A file is read whole and checked line by line; what is read is written back byte for byte.
Format: https://universaldependencies.org/format.html.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern

_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_NUMBER = re.compile("0|[1-9][0-9]{0,5}").fullmatch
_UNKNOWN = -1


class ConlluError(ValueError):
    """A file or a text is not valid CoNLL-U; the message starts with ``file:line:``."""


@dataclass(frozen=True, slots=True)
class Word:
    """One syntactic word: columns 2 to 10 of its line, in their order.

    A column without a value is ``"_"``.  ``head`` is the 1-based number of the governing word,
    0 for the root, and -1 where the file has ``"_"``.
    """

    form: str
    lemma: str = "_"
    upos: str = "_"
    xpos: str = "_"
    feats: str = "_"
    head: int = _UNKNOWN
    deprel: str = "_"
    deps: str = "_"
    misc: str = "_"


@dataclass(frozen=True, slots=True)
class MultiwordToken:
    """A surface token that covers the words ``first`` to ``last`` (1-based, inclusive)."""

    first: int
    last: int
    form: str
    misc: str = "_"
    feats: str = "_"


@dataclass(frozen=True, slots=True)
class EmptyNode:
    """A node of the enhanced graph: the ``index``-th after word ``after``; columns 2 to 10."""

    after: int
    index: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: its words, and what the file says around them.

    ``comments`` are without the leading ``"# "``; a line that lacks the space, or goes on with
    another ``#``, is kept whole so that it can be written back.  ``source`` is ``file:line`` of
    the sentence's first line.
    """

    words: tuple[Word, ...]
    comments: tuple[str, ...] = ()
    multiword: tuple[MultiwordToken, ...] = ()
    empty: tuple[EmptyNode, ...] = ()
    source: str = ""

    def comment(self, key: str) -> str | None:
        """Return the value of the first comment ``# key = value``; None if there is none."""
        for comment in self.comments:
            name, sign, value = comment.partition("=")
            if sign and name.strip() == key:
                return value.strip()
        return None

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(word.form for word in self.words)

    @property
    def upos(self) -> tuple[str, ...]:
        return tuple(word.upos for word in self.words)

    @property
    def xpos(self) -> tuple[str, ...]:
        return tuple(word.xpos for word in self.words)

    @property
    def heads(self) -> tuple[int, ...]:
        return tuple(word.head for word in self.words)

    @property
    def deprels(self) -> tuple[str, ...]:
        return tuple(word.deprel for word in self.words)


def misc_value(word: Word, key: str) -> str | None:
    """Return the value of ``Key=Value`` in the word's MISC column; None if it has no such key."""
    for pair in word.misc.split("|"):
        name, sign, value = pair.partition("=")
        if sign and name == key:
            return value
    return None


def find_cycle(heads: Sequence[int]) -> tuple[int, ...]:
    """Return the words (1-based) of one cycle, each followed by its head; () if there is none.

    ``heads`` are in [-1, number of words]; 0 and -1 end a path.  Linear in the number of words.
    """
    walk_of = [0] * (len(heads) + 1)
    for start in range(1, len(heads) + 1):
        word = start
        while word > 0 and not walk_of[word]:
            walk_of[word] = start
            word = heads[word - 1]
        if word > 0 and walk_of[word] == start:
            cycle = [word]
            while heads[cycle[-1] - 1] != word:
                cycle.append(heads[cycle[-1] - 1])
            return tuple(cycle)
    return ()


def read(path: str | os.PathLike[str], *, validate: bool = True) -> list[Sentence]:
    """Read the CoNLL-U file at ``path``; see `parse` for what is checked.

    Raises `ConlluError` if the file cannot be opened, is not UTF-8 or is not valid.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConlluError(f"{path}: cannot read the file ({reason}); check the path") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConlluError(
            f"{path}:{line}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start} "
            f"({error.reason}); convert the file to UTF-8"
        ) from error
    return parse(text, os.fspath(path), validate=validate)


def parse(text: str, source: str = "<text>", *, validate: bool = True) -> list[Sentence]:
    """Parse CoNLL-U ``text``; ``source`` names it in errors and in `Sentence.source`.

    Always checked: line ends, ten columns, none of them empty, ids in order, multiword ranges,
    a blank line after the last sentence.  With ``validate`` also the trees: every word has a head
    in range, exactly one head is 0, and there is no cycle.  ``validate=False`` is for text without
    trees, such as tagged text.  Blank lines beyond the one after a sentence are passed over.

    Raises `ConlluError` at the first fault.
    """
    _check_ends(text, source)
    sentences = []
    block: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line:
            block.append(line)
        elif block:
            sentences.append(_sentence(block, source, number - len(block), validate))
            block = []
    return sentences


def format(sentences: Iterable[Sentence]) -> str:
    """Return the sentences as CoNLL-U text; ``format(parse(text)) == text`` for valid text.

    Raises `ConlluError` where a value cannot be written: it is empty, or holds a tab or a line
    end.  Trees are not checked, so that text without trees can be written too.
    """
    lines: list[str] = []
    for number, sentence in enumerate(sentences, start=1):
        lines += _lines(sentence, sentence.source or f"sentence {number}")
        lines.append("")
    return "\n".join([*lines, ""]) if lines else ""


def write(path: str | os.PathLike[str], sentences: Iterable[Sentence]) -> None:
    """Write the sentences to ``path``, whole or not at all; the folder must exist."""
    path = Path(path)
    data = format(sentences).encode("utf-8")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class _Fault(Exception):
    """What is wrong in the line that is being read or, once all are read, at ``word``."""

    def __init__(self, message: str, word: int = 0) -> None:
        super().__init__(message)
        self.word = word


def _check_ends(text: str, source: str) -> None:
    last = text.count("\n") + 1
    if text.startswith("\ufeff"):
        fault = "1: starts with a byte order mark; save the file as UTF-8 without one"
    elif "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        fault = f"{line}: has a carriage return; convert the line ends from CR LF to LF"
    elif not text.strip("\n") or text.endswith("\n\n"):
        return
    elif text.endswith("\n"):
        fault = f"{last}: no blank line after the last sentence; the file may be cut off"
    else:
        found = text.rpartition("\n")[2][-30:]
        fault = f"{last}: the file is cut off in mid-line, after {found!r}; get it again"
    raise ConlluError(f"{source}:{fault}")


def _sentence(block: list[str], source: str, first: int, validate: bool) -> Sentence:
    """Read one sentence from its lines, the first of which has the number ``first``."""
    comments: list[str] = []
    words: list[Word] = []
    multiword: list[MultiwordToken] = []
    empty: list[EmptyNode] = []
    try:
        for line in block:
            if line[0] == "#":
                if words or multiword or empty:
                    raise _Fault("comment within a sentence; move it before the first word")
                plain = line.startswith("# ") and not line.startswith("# #")
                comments.append(line[2:] if plain else line)
                continue
            columns = line.split("\t")
            if len(columns) != 10:
                found = f"{len(columns)} columns instead of 10 in {line[:40]!r}"
                raise _Fault(f"{found}; columns are separated by one tab")
            if "" in columns:
                name = _COLUMNS[columns.index("")]
                raise _Fault(f"column {name} is empty; write '_' for no value")
            if columns[0] == str(len(words) + 1):
                words.append(_word(columns))
            elif "-" in columns[0]:
                multiword.append(_multiword(columns, len(words), multiword))
            else:
                empty.append(_empty_node(columns, len(words), multiword, empty))
        if not words:
            raise _Fault("a sentence without words; remove these lines")
        if multiword and multiword[-1].last > len(words):
            found = f"{multiword[-1].first}-{multiword[-1].last}"
            raise _Fault(f"the sentence ends within its multiword token {found}")
        if validate:
            _check_tree([word.head for word in words])
    except _Fault as fault:
        ids = [line.partition("\t")[0] for line in block]
        done = len(comments) + len(words) + len(multiword) + len(empty)
        offset = ids.index(str(fault.word)) if fault.word else done
        raise ConlluError(f"{source}:{first + offset}: {fault}") from None
    place = f"{source}:{first}"
    return Sentence(tuple(words), tuple(comments), tuple(multiword), tuple(empty), place)


def _word(columns: list[str]) -> Word:
    _, form, lemma, upos, xpos, feats, head, deprel, deps, misc = columns
    if head != "_" and not _NUMBER(head):
        raise _Fault(f"head of word {columns[0]} is {head!r}; it must be a word's number or 0")
    # A treebank has few tags and many words: shared strings keep it small in memory.
    upos, xpos, feats, deprel = map(intern, (upos, xpos, feats, deprel))
    number = _UNKNOWN if head == "_" else int(head)
    return Word(form, lemma, upos, xpos, feats, number, deprel, deps, misc)


def _multiword(columns: list[str], done: int, before: list[MultiwordToken]) -> MultiwordToken:
    first, _, last = columns[0].partition("-")
    free = not before or before[-1].last <= done
    if not free or first != str(done + 1) or not _NUMBER(last) or int(last) <= done:
        raise _out_of_order(columns[0], done)
    # UD lets FEATS say Typo=Yes; everything else is said of the words.
    if any(columns[n] != "_" for n in (2, 3, 4, 6, 7, 8)):
        found = f"multiword token {columns[0]} has a value beside FORM, FEATS and MISC"
        raise _Fault(f"{found}; write '_' there")
    return MultiwordToken(done + 1, int(last), columns[1], columns[9], columns[5])


def _empty_node(
    columns: list[str], done: int, multiword: list[MultiwordToken], before: list[EmptyNode]
) -> EmptyNode:
    index = before[-1].index + 1 if before and before[-1].after == done else 1
    late = bool(multiword) and multiword[-1].first == done + 1
    if late or columns[0] != f"{done}.{index}":
        raise _out_of_order(columns[0], done)
    return EmptyNode(done, index, tuple(columns[1:]))


def _out_of_order(found: str, done: int) -> _Fault:
    return _Fault(f"id {found!r} is out of order; the next word is {done + 1}")


def _check_tree(heads: list[int]) -> None:
    for word, head in enumerate(heads, start=1):
        if head == _UNKNOWN:
            raise _Fault(f"word {word} has no head; text without trees: validate=False", word)
        if head > len(heads):
            raise _Fault(f"head of word {word} is {head}; the last word is {len(heads)}", word)
    roots = [word for word, head in enumerate(heads, start=1) if head == 0]
    if len(roots) != 1:
        found = f"roots at words {', '.join(map(str, roots))}" if roots else "no root"
        raise _Fault(f"{found}; exactly one word must have head 0", roots[1] if roots else 1)
    if cycle := find_cycle(heads):
        path = " > ".join(map(str, (*cycle, cycle[0])))
        raise _Fault(f"cycle of heads {path}; every word must lead to the root", cycle[0])


def _lines(sentence: Sentence, where: str) -> list[str]:
    lines = [text if text.startswith("#") else f"# {text}" for text in sentence.comments]
    ranges = {token.first: token for token in sentence.multiword}
    nodes: dict[int, list[EmptyNode]] = {}
    for node in sentence.empty:
        nodes.setdefault(node.after, []).append(node)
    lines += ["\t".join((f"0.{node.index}", *node.columns)) for node in nodes.get(0, ())]
    for number, word in enumerate(sentence.words, start=1):
        if token := ranges.get(number):
            span = (f"{token.first}-{token.last}", token.form, "_\t_\t_", token.feats, "_\t_\t_")
            lines.append("\t".join((*span, token.misc)))
        head = "_" if word.head == _UNKNOWN else str(word.head)
        tags = f"{number}\t{word.form}\t{word.lemma}\t{word.upos}\t{word.xpos}\t{word.feats}"
        lines.append(f"{tags}\t{head}\t{word.deprel}\t{word.deps}\t{word.misc}")
        lines += ["\t".join((f"{number}.{n.index}", *n.columns)) for n in nodes.get(number, ())]
    if not sentence.words:
        raise ConlluError(f"{where}: cannot write a sentence without words")
    parts = (sentence.comments, sentence.words, sentence.multiword, sentence.empty)
    if len(lines) != sum(map(len, parts)):
        fault = f"does not start at a word of its own, of {len(sentence.words)}"
        raise ConlluError(f"{where}: cannot write: a multiword token or empty node {fault}")
    for line in lines:
        columns = line.split("\t")
        shape = line[0] == "#" or (len(columns) == 10 and "" not in columns)
        if not shape or "\n" in line or "\r" in line:
            fault = "a value is empty or holds a tab or a line end"
            raise ConlluError(f"{where}: cannot write {line!r}: {fault}")
    return lines
