"""Images to classify: where they are read from, how they are split, kept and augmented."""
