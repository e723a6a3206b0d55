"""What can learn: the catalogue, Kunstkammer's own small networks, checkpoints."""
