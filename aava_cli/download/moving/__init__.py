"""Take models from and to places that are not servers."""
