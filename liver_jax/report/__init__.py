"""From rows and masks to pages that people read: slices, viewers, figures, tables, one report."""
