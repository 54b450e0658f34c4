"""The outside world, one file each; the only importers of their libraries."""
