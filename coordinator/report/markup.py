"""HTML from elements, with everything escaped that isn't an element itself. Pure."""

from __future__ import annotations

from html import escape

_VOID = frozenset({"meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """An element.

    Args:
        tag: its name.
        children: what is in it: text is escaped, `Markup` is not.
        attributes: `class_` for class, `text_anchor` for text-anchor; None leaves one out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Markup:
    """Several children after each other."""
    return Markup("".join(each if isinstance(each, Markup) else escape(each) for each in children))


def _written(value: str | float) -> str:
    """Numbers of pixels with one digit behind the point are fine enough."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
