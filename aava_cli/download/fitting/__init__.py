"""Say whether models fit a host before a byte of their weights is fetched."""
