"""How public cohorts, and one's own, lie on disk: one file for each."""
