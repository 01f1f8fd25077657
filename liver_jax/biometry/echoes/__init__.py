"""Parts of the fat-water fit: the field map, magnitude and complex fits, their uncertainty."""
