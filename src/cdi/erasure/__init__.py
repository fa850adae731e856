"""Taking a reference, or what is too old, out of every place where it is."""
