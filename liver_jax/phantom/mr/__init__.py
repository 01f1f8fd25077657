"""What an MR scanner does to the protons of a body."""
