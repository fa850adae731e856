"""Take a reference, or what is too old, out of every place that holds it."""
