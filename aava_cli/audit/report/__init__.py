"""What an audit answers: coverage first, then each call with its verdicts."""
