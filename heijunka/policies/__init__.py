"""Pure decisions: no clock, no randomness, no Redis. Time and random numbers are arguments."""
