"""What can learn: the catalogue, Kunstkammer's own small networks, checkpoints.

May import: `metrics`, `data`, `pictures`, `files`, `progress`, `registry`, `errors`.
Public: `run.open_run`, `run.Run`, `catalogue.create_model`, `exported`, `features`; kinds "models" and "texts".
"""

from kunstkammer.models.environment import require_fitting_torchvision

require_fitting_torchvision()
