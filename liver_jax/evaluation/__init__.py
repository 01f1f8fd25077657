"""What masks are worth: agreement with a reader, case by case, and what follows from it."""
