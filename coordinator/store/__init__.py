"""What a coordinator role keeps: agreements, what it received, how far each run is. No plain text of any of it."""
