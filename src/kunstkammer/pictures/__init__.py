"""One picture: safe reading, scaling, augmentation, overlays.

May import: `registry`, `errors`.
Public: `read`, `framing`, `plate`, `augment`, `preparation`, `cartoon`, `overlay`.
"""
