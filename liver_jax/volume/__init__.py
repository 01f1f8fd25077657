"""What a scan is: voxels, their place in space, and the files that hold them."""
