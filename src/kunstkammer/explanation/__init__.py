"""Why it decided so: one file per family of methods, one interface."""
