"""The risk report as one page of HTML that needs nothing else: no script, no network, no font. Pure.

The page forbids its reader's browser everything but its own style, by the style's digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pprl.errors import Finding
from pprl.privacy import words
from pprl.privacy.battery import Risk

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #16191d; --soft: #565d66; --line: #c9ced6; --panel: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e9ecef; --soft: #a9b1bb; --line: #454c56;
  --panel: #1d2127; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 78rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid var(--line); }
p, li { max-width: 46rem; margin: .5rem 0; }
.note { color: var(--soft); font-size: .92rem; }
.verdict { border: 2px solid var(--ink); border-left-width: .6rem; padding: .5rem .8rem; margin: 1rem 0;
  max-width: 46rem; background: var(--panel); }
.scroll { overflow-x: auto; max-width: 100%; margin: .75rem 0; }
.scroll:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
table { border-collapse: collapse; min-width: min(100%, 26rem); font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tbody th { font-weight: 400; }
tbody th, td { white-space: nowrap; }
thead th { vertical-align: bottom; }
.number { text-align: right; }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #333; --line: #999; --panel: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; } .scroll { overflow: visible; }
  tr, .verdict { break-inside: avoid; } h2, caption { break-after: avoid; } }
"""


@dataclass(frozen=True, slots=True)
class About:
    """What was attacked, and under which agreement.

    Attributes:
        dataset: the dataset's name.
        project: the project's id.
        version: of the agreement.
        scheme: how records are encoded.
        agreement_sha256: the agreement.
        findings: why it doesn't pass the agreement's limits; None where it sets none.
    """

    dataset: str
    project: str
    version: int
    scheme: str
    agreement_sha256: str
    findings: tuple[Finding, ...] | None


def page(risk: Risk, about: About) -> str:
    """The page.

    Args:
        risk: what attacks came to.
        about: what they were made on.

    Leaks: the counts, and nothing of anybody.
    """
    heading = f"Whom could somebody name in '{about.dataset}'?"
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en-GB"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(heading)}</title><style>{_STYLE}</style></head><body>",
        f"<header><h1>{escape(heading)}</h1>{_p(_about(about), 'note')}</header><main>",
        f'<p class="verdict"><strong>{escape(words.sentence(risk))}</strong></p>',
        _p(words.verdict(about.findings)),
        _list([str(each) for each in about.findings or ()]),
        *_how(risk),
        *_tables(risk),
        f"</main><footer>{_p(words.CAUTION, 'note')}</footer></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _about(about: About) -> str:
    return f"{about.project}, version {about.version}, scheme {about.scheme}. Agreement {about.agreement_sha256}."


def _how(risk: Risk) -> list[str]:
    holders = [words.holder_words(risk, holder, told) for holder, told in words.by_holder(risk)]
    return ["<h2>By who holds what</h2>", _list(holders), *map(_p, words.notes(risk))]


def _tables(risk: Risk) -> list[str]:
    return [
        "<h2>What an attacker knows, and what comes of it</h2>",
        _table(
            "knowledge", "The worst attack of each holder, by knowledge; of 10,000 people",
            words.HEADER, words.rows(risk), words=(0, 1, 4),
        )
        if words.rows(risk)
        else _p("No attack came to its end: there is nothing to tell."),
        "<h2>Every attack</h2>",
        _table(
            "attacks", "Every attack, with what it came to",
            words.ATTACKS_HEADER, words.attack_rows(risk), words=(0, 1, 2),
        ),
    ]  # fmt: skip


def _p(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in items)}</ul>" if items else ""


def _table(
    name: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[int]
) -> str:
    """A table, whose columns but `words` are numbers; a wide one scrolls in its own box."""

    def kind(column: int) -> str:
        return "" if column in words else ' class="number"'

    head = "".join(f'<th scope="col"{kind(place)}>{escape(cell)}</th>' for place, cell in enumerate(header))
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{kind(place)}>{escape(cell)}</td>" for place, cell in enumerate(row) if place)
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}-caption"><table>'
        f'<caption id="{name}-caption">{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
