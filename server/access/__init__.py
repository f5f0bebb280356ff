"""Who asks, and whether they may: before a body is read, and before anything is known of a face."""
