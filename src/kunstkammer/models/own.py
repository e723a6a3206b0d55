"""Kunstkammer's own networks: importing this makes `transformers` know them.

Whole modules are named, not what is in them: whoever imports `models.sketchnet` first comes here by the hook of
`import kunstkammer` while that module is still half made.
"""

import kunstkammer.models.dual
import kunstkammer.models.scene
import kunstkammer.models.sketchnet  # noqa: F401
