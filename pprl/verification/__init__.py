"""Verifying a whole run from what its coordinators export: offline, with public keys alone.

An auditor runs this (`pprl verify`) on the exports of every party that held a coordinator role. What it trusts is its
own copy of the agreement with everybody's signatures, and nothing else: `in_hand`. The checks are numbered in
`pprl.verification.checks`, and docs/verification.md lists them. Functions of bytes; no file, no clock.

- `outcome`: what a check is, and how it came out.
- `case`: what is judged, and what earlier checks have found in it.
- `agreed`, `one_log`, `one_run`: the checks of the agreement in hand, of each log, and of all logs together.
- `checks`: their table, and who runs them.

**What it can't show**: that the matcher compared honestly and the key issuer decided honestly, as pairs and keys are
sealed; what is in the containers; that a log tells of everything that was done.
"""
