"""One download per digest across processes; a lease saves work, and nothing depends on it."""
