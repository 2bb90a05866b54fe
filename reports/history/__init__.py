"""What each session measured of the same, one after the other."""
