"""What docs/promises.md quotes from the log is what the library writes there."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"
SOURCES = ROOT / "src" / "flowable" / "external_worker_client"

BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`]+)`")
#: What stands in a text for what is put in when it is written.
PLACEHOLDER = re.compile(r"%(?:\.\d+)?[a-z]|\{[^{}]*\}")
#: What pages put in there, besides `…`.
VALUES = re.compile(r"\d+(\.\d+)?|PT\d+S|SIGTERM|complete|abandoned|success")


def quotes(page: str) -> Iterator[str]:
    """Yield what a page quotes from the log: in the columns of tables that say so, and whole lines in the text."""
    column: int | None = None
    text: list[str] = []
    for line in BLOCK.sub("", page).splitlines():
        if not line.startswith("|"):
            column = None
            text.append(line)
            continue
        cells = line.split("|")
        heads = [number for number, cell in enumerate(cells) if "In the log" in cell]
        if heads:
            column = heads[0]
        elif column is not None:
            # `run_until_stopped` is a name.
            yield from (quoted for quoted in QUOTED.findall(cells[column]) if "_" not in quoted or " " in quoted)
    for quoted in QUOTED.findall("\n".join(text)):
        if len(quoted.split()) > 4:
            yield " ".join(quoted.split())


@functools.cache
def pieces() -> frozenset[str]:
    """Return what stands between the placeholders of the texts in the library's sources."""
    found: set[str] = set()
    for path in [*SOURCES.glob("*.py"), *(SOURCES / "runtime").glob("*.py")]:
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            # Single words are names, mostly; of those that a line may say, none is short.
            if " " in text or len(text) > 5:
                found |= {piece for piece in PLACEHOLDER.split(text) if piece}
    return frozenset(found)


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module, without docstrings."""
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            passed.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            passed |= {id(value) for value in node.values}
            parts = [str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values]
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value


def is_written(quoted: str) -> bool:
    """Say whether every part of a quote between `…` can be put together from texts of the library and values."""
    return all(_fits(part.strip()) for part in quoted.split("…"))


def _fits(part: str) -> bool:
    """Say whether a text is made of pieces and values, one after the other. The first and the last may be cut."""
    if any(part in piece for piece in pieces()):
        return True
    reached = {0, *(len(end) for piece in pieces() for end in _ends(piece) if part.startswith(end))}
    for at in range(len(part)):
        if at not in reached:
            continue
        rest = part[at:]
        if any(piece.startswith(rest) for piece in pieces()):
            return True
        if value := VALUES.match(rest):
            reached.add(at + value.end())
        reached |= {at + len(piece) for piece in pieces() if rest.startswith(piece)}
    return len(part) in reached


def _ends(piece: str) -> list[str]:
    """Return a text without its first words: one, two, and so on."""
    return [piece[cut.end() :] for cut in re.finditer(r" |\b(?=\W)", piece)]


@pytest.mark.parametrize("quoted", sorted(set(quotes(PAGE.read_text(encoding="utf-8")))))
def test_the_library_writes_what_the_page_quotes(quoted: str) -> None:
    """To the word; numbers, names and `…` stand for what is put in."""
    assert is_written(quoted), f"nothing in {SOURCES} says: {quoted}"


def test_the_page_is_read() -> None:
    """The tables are found, and the lines in the text."""
    found = list(quotes(PAGE.read_text(encoding="utf-8")))
    assert len(found) > 25
    assert any(quoted.startswith("does not work: the disk is full") for quoted in found)
    assert any(quoted.startswith("was done before") for quoted in found)


@pytest.mark.parametrize(
    ("quoted", "written"),
    [
        ("was delivered with send 7", True),
        ("was delivered by send 7", False),
        ("cannot acquire jobs, no connection to the engine …; asking again in 3.7 s", True),
        ("cannot acquire jobs, no connection to an engine …; asking again in 3.7 s", False),
        ("a process that died left its outcome (complete); it is delivered now", False),
        ("complete came too late, the process or case went on without this job", False),
        ("it was given back", True),
    ],
)
def test_a_quote_that_differs_is_found(quoted: str, *, written: bool) -> None:
    """Otherwise the test above said nothing."""
    assert is_written(quoted) is written
