"""The command: nothing but parsing and printing over the verbs."""
