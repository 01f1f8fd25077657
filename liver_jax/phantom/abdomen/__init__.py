"""The shapes of a procedural abdomen, each file a region of it."""
