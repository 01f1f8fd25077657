"""From the labels of a map of organs to the tissues of a body."""
