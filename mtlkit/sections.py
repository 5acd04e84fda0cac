"""The sections of a lesson, from one ``##`` heading to the next, and which of them need which.

Code of one section uses names that others bind.  What is not needed by what stays can be left out.
"""

import ast
import re
import symtable
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtlkit.exercises import source

__all__ = ["Section", "binds", "needs", "sections", "uses"]


@dataclass(frozen=True)
class Section:
    """A heading, without its signs, and the cells from it on; "" before the first heading."""

    heading: str
    cells: tuple[dict[str, Any], ...]


def sections(notebook: Mapping[str, Any]) -> tuple[Section, ...]:
    """A notebook in sections.  A Markdown cell with several headings is cut in front of each.

    Cells are shared with the notebook unless they were cut; a piece has the id of its cell, with a
    letter behind it from the second on.
    """
    parts: list[tuple[str, list[dict[str, Any]]]] = [("", [])]
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            parts[-1][1].append(cell)
            continue
        pieces = list(_pieces(source(cell)))
        for number, (heading, text) in enumerate(pieces):
            piece = cell
            if len(pieces) > 1:
                piece = {**cell, "source": text.splitlines(keepends=True)}
                if number and "id" in cell:
                    piece["id"] = f"{cell['id']}-{chr(ord('a') + number)}"
            if heading is not None:
                parts.append((heading, []))
            parts[-1][1].append(piece)
    return tuple(Section(heading, tuple(cells)) for heading, cells in parts)


def _pieces(text: str) -> Iterator[tuple[str | None, str]]:
    """A text, cut in front of each ``##`` heading that is not in a block of code."""
    heading: str | None = None
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (found := re.match(r"## +(.*\S)", line)):
            if "".join(lines).strip():
                yield heading, "\n".join(lines).strip()
            heading, lines = found[1], []
        lines.append(line)
    yield heading, "\n".join(lines).strip()


def uses(code: str) -> set[str]:
    """Global names that a piece of Python reads, also those inside its functions."""
    found = {
        node.target.id
        for node in _outside_functions(ast.parse(code))
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    tables = [symtable.symtable(code, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        found |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (top or s.is_global())
        }
    return found


_CHANGES = {"add", "append", "extend", "insert", "pop", "remove", "setdefault", "sort", "update"}


def binds(code: str) -> set[str]:
    """Global names that a piece of Python binds, or whose value it changes in place.

    In place: a part of it is set, or it is told to ``append``, ``update`` and the like.
    """
    found: set[str] = set()
    for node in _outside_functions(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript):
            told = isinstance(node, ast.Attribute) and node.attr in _CHANGES
            if told or isinstance(node.ctx, ast.Store):
                found |= _base(node)
    return found


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes whose names are global: not those in functions, classes and comprehensions."""
    inner = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    inner |= ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, inner):
            yield from _outside_functions(child)


def _base(node: ast.expr) -> set[str]:
    """The name at the beginning of ``name.part[key].part``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _reads(body: Sequence[ast.stmt], own: set[str]) -> set[str]:
    """Names that statements read before they bind them; what they bind is added to ``own``.

    What one branch of a condition binds counts inside that branch: the other one may be taken.
    """
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.For):
            found |= uses(ast.unparse(node.iter)) - own
            own |= binds(ast.unparse(node.target) + " = 0")
            found |= _reads([*node.body, *node.orelse], own)
        elif isinstance(node, ast.With):
            for item in node.items:
                found |= uses(ast.unparse(item.context_expr)) - own
                if item.optional_vars:
                    own |= binds(ast.unparse(item.optional_vars) + " = 0")
            found |= _reads(node.body, own)
        elif isinstance(node, ast.If):
            found |= uses(ast.unparse(node.test)) - own
            branches = [set(own), set(own)]
            for branch, lines in zip(branches, (node.body, node.orelse), strict=True):
                found |= _reads(lines, branch)
            own |= branches[0] & branches[1]
        else:
            text = ast.unparse(node)
            found |= uses(text) - own
            own |= binds(text)
    return found


def needs(parts: Sequence[Section]) -> tuple[frozenset[int], ...]:
    """For each section, the indices of those that must be there for its code to run.

    A name that is read before its section binds it is that of the last section before which binds
    or changes it; if there is none, it is read inside a function, and bound by the first section
    behind.
    """
    binders: dict[str, list[int]] = {}
    reads: list[set[str]] = []
    for number, section in enumerate(parts):
        code = [source(cell) for cell in section.cells if cell["cell_type"] == "code"]
        body = [node for text in code for node in ast.parse(text).body]
        bound = {name for node in body for name in binds(ast.unparse(node))}
        for name in bound:
            binders.setdefault(name, []).append(number)
        reads.append(_reads(body, set()))
    found = []
    for number, read in enumerate(reads):
        wanted = set()
        for name in read & binders.keys():
            before = [n for n in binders[name] if n < number]
            behind = [n for n in binders[name] if n > number]
            if before:
                wanted.add(before[-1])
            elif behind and number not in binders[name]:
                wanted.add(behind[0])
        found.append(frozenset(wanted))
    return tuple(found)
