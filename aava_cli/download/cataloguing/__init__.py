"""Write and check entries of catalogs."""
