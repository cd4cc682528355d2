"""Writing, explaining and comparing agreements: text in, text out.

Nothing here reads files, the clock or randomness. Departments, coordinators and auditors run it through the
command line; what it says about an agreement follows from the agreement alone.
"""
