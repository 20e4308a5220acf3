"""Is one model better than another, or is it chance? And many runs side by side."""
