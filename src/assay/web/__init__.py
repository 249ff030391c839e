"""The local review page: a person settles label conflicts in a browser."""
