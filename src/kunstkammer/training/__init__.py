"""How it learns: recipes, losses, sampling, the trainer, exact resume.

May import: `models`, `metrics`, `data`, `pictures`, `files`, `progress`, `registry`, `errors`.
Public: `recipe.Recipe`, `fit.fit`, `parts`; the registry kinds "losses", "adaptations" and "recipes".
"""
