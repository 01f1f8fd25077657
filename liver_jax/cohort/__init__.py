"""What a set of examinations is: the manifest, its checker, splits by subject, its Table 1."""
