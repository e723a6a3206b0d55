"""Collections that the package draws itself, with known truth."""
