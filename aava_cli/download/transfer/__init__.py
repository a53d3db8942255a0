"""Bring one file over as many connections as help, verified and resumable."""
