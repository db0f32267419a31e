"""What was learned from films: the networks and classifiers, what they are shown, and what they answer."""
