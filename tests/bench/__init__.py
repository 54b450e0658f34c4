"""Measurements: scripts for people, not tests."""
