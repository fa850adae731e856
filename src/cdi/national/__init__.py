"""What agencies send to one place, and what the nation reads there: open extracts, nothing else."""
