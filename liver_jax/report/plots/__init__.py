"""The figures of a paper, one kind in each module."""
