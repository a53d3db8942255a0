"""What makes a folder a project."""
