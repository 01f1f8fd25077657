"""Each published figure beside ours: Dice, and what is measured from the masks."""
