"""What the numbers of a Summary say in words, found by rules and told only as far as the statistics carry it."""
