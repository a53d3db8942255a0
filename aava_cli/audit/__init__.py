"""`aava audit`: decide from call logs whether the voice pipeline is fit to release."""
