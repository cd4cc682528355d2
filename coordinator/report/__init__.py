"""What a run rests on, for a methodologist: as a document, as text, and as one page of HTML with its pictures.

`documents` puts together what a store knows, and hides what the agreement's small-number limit hides; `words` and
`page` only render that document, so that all forms have the same figures. Nothing here reads a file or a database.
"""
