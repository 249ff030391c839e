"""Labels of a corpus that nobody has mapped -> types of the taxonomy, with what speaks for each."""
