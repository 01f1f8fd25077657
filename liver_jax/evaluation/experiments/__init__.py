"""The paper's experiments, and what it left open, from the rows of an evaluation."""
