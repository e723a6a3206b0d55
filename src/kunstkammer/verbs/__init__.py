"""What a person asks for: one verb a file, each a walk through the rooms below."""
