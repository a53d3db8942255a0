"""The engine and Compose, as the program asks them."""
