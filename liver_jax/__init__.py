"""Liver segmentation, volumetry and proton density fat fraction on CT and MRI, in JAX."""
