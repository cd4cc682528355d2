"""What several test packages share. Nothing here is a test."""
