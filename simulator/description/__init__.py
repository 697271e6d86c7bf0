"""What a recipe is made of, as frozen values: stages, parts, and where weights come from."""
