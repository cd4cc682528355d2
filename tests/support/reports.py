"""The coordinator's reports of the small project, and a page of HTML read as a browser would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta"}


@dataclass(slots=True)
class Node:
    """An element of a page."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def all(self, tag: str | None = None) -> Iterator[Node]:
        """The elements below this one, in order; those with a tag, or all."""
        for child in self.children:
            if isinstance(child, Node):
                if tag in (None, child.tag):
                    yield child
                yield from child.all(tag)

    @property
    def text(self) -> str:
        """All text below this one."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is given twice"
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, "elements are properly nested"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(html: str) -> Node:
    """The page as a tree; whatever is not well nested fails."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, "every element is closed"
    return reader.root


def rows_of(page: Node, name: str) -> list[list[str]]:
    """The body of the table with this name."""
    (table,) = (
        table
        for table in page.all("table")
        if next(table.all("caption")).attributes["id"] == f"{name}-caption"
    )
    body = next(table.all("tbody"))
    return [[cell.text for cell in row.children if isinstance(cell, Node)] for row in body.all("tr")]


def counts_in(document: Any, names: frozenset[str]) -> Iterator[tuple[str, int | None]]:
    """All members of a document that are counts, at any depth, with their names."""
    if isinstance(document, list):
        for each in document:
            yield from counts_in(each, names)
    elif isinstance(document, dict):
        for name, each in document.items():
            if name in names and (each is None or isinstance(each, int)):
                yield name, each
            else:
                yield from counts_in(each, names)


def numbers_in(document: Any) -> Iterator[float]:
    """All numbers in a document, at any depth."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from numbers_in(each)
    elif isinstance(document, (int, float)) and not isinstance(document, bool):
        yield document
