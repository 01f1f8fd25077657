"""From a manifest and networks or masks to one row for each case: planned, done, kept."""
