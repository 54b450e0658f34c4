"""The simulator's voice: answers made from the report it is given; pure functions."""
