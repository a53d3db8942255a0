"""What a host has, and what runs on it."""
