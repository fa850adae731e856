"""What people hand in: decisions, filled-in worklists and audit worksheets."""
