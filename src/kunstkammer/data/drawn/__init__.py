"""Collections that the package draws itself, with known truth.

May import: `data`, `pictures`, `files`, `progress`, `registry`, `errors`.
Public: the registry kind "drawings"; `album` writes what its members draw.
"""
