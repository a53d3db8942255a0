"""What models take in memory."""
