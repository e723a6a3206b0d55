"""What can learn: the catalogue, Kunstkammer's own small networks, checkpoints."""

from kunstkammer.models.environment import require_fitting_torchvision

require_fitting_torchvision()
