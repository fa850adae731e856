"""Who delivers what, in which columns: one folder per agency, read and validated."""
