"""Elements escape what is text, and nothing else."""

import pytest

from coordinator.report.markup import Markup, element, joined


def test_text_is_escaped_and_elements_are_not() -> None:
    inner = element("b", "<script>alert('x')</script> & more")
    assert inner == "<b>&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; more</b>"
    assert element("p", inner, "<i>") == f"<p>{inner}&lt;i&gt;</p>"
    assert joined(inner, "<") == f"{inner}&lt;"


@pytest.mark.parametrize(
    ("given", "written"),
    [('"><script>', "&quot;&gt;&lt;script&gt;"), ("it's", "it&#x27;s"), (1.25, "1.2"), (3.0, "3"), (7, "7")],
)
def test_attributes(given: str | float, written: str) -> None:
    assert element("rect", x=given) == f'<rect x="{written}"></rect>'


def test_names_of_attributes() -> None:
    made = element("text", class_="a", text_anchor="end", viewBox="0 0 1 1", fill=None)
    assert made == '<text class="a" text-anchor="end" viewBox="0 0 1 1"></text>'
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert isinstance(made, Markup)
