"""What people read: the report, the worklist, the dictionary and the other pages."""
