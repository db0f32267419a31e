"""Numbers only, no images: agreement, repeatability, equivalence, cohort."""
