"""Slices to a mask on the scan's own grid."""
