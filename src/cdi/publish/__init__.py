"""Publishing by one rename, and who may see which part of a version."""
