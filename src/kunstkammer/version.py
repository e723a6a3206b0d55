"""The version, alone in its file so that the build and the command read it without importing the house."""

__version__ = "0.1.0"
