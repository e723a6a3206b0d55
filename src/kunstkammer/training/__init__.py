"""How it learns: recipes, losses, sampling, the trainer, exact resume."""
