"""The built-in recipes, one YAML file each.

May import: nothing; it holds no code.
Public: the YAML files, by the registry kind "recipes".
"""
