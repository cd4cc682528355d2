"""What a department does to its records before anything leaves it. Runs at departments only.

The only code that touches raw identifiers or the linkage secret, and the only importer of `clkhash`:

- `standardise`: one rule for each kind of identifier, so that all departments write a value in the same way;
- `records`: a table's columns, standardised, with every broken value found;
- `clk`: standardised records to cryptographic longterm keys.
"""
