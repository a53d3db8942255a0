"""Open archives strictly: what is unsafe in one member refuses the whole."""
