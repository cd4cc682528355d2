"""What the statistics office runs: the matcher and the key issuer."""
