"""What a host has, what its models' files say, and what models that run really take."""
