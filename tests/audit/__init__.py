"""Tests of `aava audit`: logs are generated from the formats that the pipeline prints."""
