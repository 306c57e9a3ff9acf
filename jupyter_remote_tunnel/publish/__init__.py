"""The other direction: this Jupyter, shown to others."""
