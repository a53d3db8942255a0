"""What is wrong with a project, and all that somebody else needs to see it too."""
