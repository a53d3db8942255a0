"""Say where the bytes of a model are, and who vouches for them."""
