"""What all fits hold to: how far R2* may go, and when two explanations of a voxel are one."""

# 1/s. Below 0 as noise may have it; above what echoes a millisecond apart can show.
R2STAR_RANGE = (-100.0, 1500.0)
# Explanations whose fat fractions differ by less are one.
DISTINCT = 0.1
