"""Tests of the native daemon, most of them against one in a process of its own."""
