"""One picture: safe reading, scaling, augmentation, overlays."""
