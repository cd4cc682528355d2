"""The page's style: light and dark, wide and narrow, on a screen and on paper."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #16191d; --soft: #565d66; --line: #c9ced6;
  --fill: #1f5a94; --mark: #a33b00; --band: #1f5a9433; --panel: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e9ecef; --soft: #a9b1bb; --line: #454c56;
  --fill: #7fb4e6; --mark: #ffad7a; --band: #7fb4e640; --panel: #1d2127; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 78rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
p { max-width: 46rem; margin: .5rem 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0; list-style: none; }
a { color: inherit; text-underline-offset: .15em; }
a:focus-visible, .scroll:focus-visible { outline: 3px solid var(--fill); outline-offset: 2px; }
.note, figcaption { color: var(--soft); font-size: .92rem; }
.verdict { border: 2px solid var(--ink); border-left-width: .6rem; padding: .5rem .8rem; margin: 1rem 0;
  max-width: 46rem; background: var(--panel); }
.beside { display: grid; gap: .75rem 2rem; align-items: start; }
.beside > * { min-width: 0; }
@media (min-width: 60rem) { .beside { grid-template-columns: minmax(0, 10fr) minmax(0, 11fr); }
  .beside figure { position: sticky; top: .5rem; } }
figure { margin: .5rem 0; }
svg { display: block; width: 100%; max-width: 40rem; height: auto; }
.scroll { overflow-x: auto; max-width: 100%; margin: .75rem 0; }
table { border-collapse: collapse; min-width: min(100%, 26rem); font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
tbody th { font-weight: 400; white-space: nowrap; }
.number { text-align: right; }
td.number { white-space: nowrap; }
thead th { vertical-align: bottom; }
svg text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Arial, sans-serif; }
svg text.row { font-size: 11px; }
svg text.tick { fill: var(--soft); font-size: 10.5px; }
svg text.name { font-weight: 600; font-size: 11.5px; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .grid { stroke: var(--line); stroke-width: .6; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .outline { fill: var(--paper); stroke: var(--ink); stroke-width: 1; }
svg .solid { fill: var(--fill); stroke: var(--ink); stroke-width: .6; }
svg .hatched { stroke: var(--paper); stroke-width: 1; }
svg .hatch { stroke: var(--paper); stroke-width: 1.6; }
svg .unknown { fill: none; stroke: var(--soft); stroke-dasharray: 2 2; }
svg .line { fill: none; stroke: var(--ink); stroke-width: 1.8; }
svg .line.recall { stroke-dasharray: 6 3; }
svg .mark { fill: var(--ink); }
svg .mark.open { fill: var(--paper); stroke: var(--ink); stroke-width: 1.4; }
svg .band { fill: var(--band); stroke: var(--soft); stroke-width: .5; }
svg .target { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1.5 3; }
svg .threshold { stroke: var(--mark); stroke-width: 1.8; stroke-dasharray: 5 3; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #333; --line: #999; --fill: #555; --mark: #000;
    --band: #0002; --panel: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; }
  figure, tr, .verdict { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .beside { display: block; }
  .beside figure { position: static; }
  svg { max-width: 12cm; }
  svg .solid, svg .hatched, svg .outline { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
