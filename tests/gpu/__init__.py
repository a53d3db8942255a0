"""Tests of what the NVIDIA driver is asked."""
