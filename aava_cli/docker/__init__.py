"""The Compose project and its engine, asked through the `docker` program alone."""
