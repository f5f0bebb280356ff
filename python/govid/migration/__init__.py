"""A new model runs beside the old one, until it takes over or is given up."""
