"""The GPUs of this host, as their driver describes them."""
