"""What a model's int8 answers mean: classes or boxes, in the same integers on host and device."""
