"""Where the picture, the limbs and the bones are on a film."""
