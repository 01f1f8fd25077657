"""What a mask measures: liver volume and fat fraction."""
