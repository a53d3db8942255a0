"""`aava up`: from nothing to a daemon that is proven to work, in one command."""
