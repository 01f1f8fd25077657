"""Examinations whose truth is known: procedural subjects, and what each scanner makes of them."""
