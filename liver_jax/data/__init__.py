"""From examinations to batches: preprocessing, slice records, input pipeline, augmentation."""
