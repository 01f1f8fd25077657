"""One examination: read, segmented, fitted, measured, judged, written; and many of them."""
