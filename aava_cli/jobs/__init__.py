"""Commands that go on without a terminal, and how they ended."""
