"""What is attacked, and by whom, where nobody says otherwise. Loads nothing."""

PEOPLE = 5_000
"""Most records to attack."""

KNOWN_PEOPLE = 30
"""People whom an attacker recognises who counts."""

SEED = 1
