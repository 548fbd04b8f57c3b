"""How does it look? Coarsened pictures, colours, heatmaps, and the products of a batch as files."""
