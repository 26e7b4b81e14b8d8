"""Maps: every level laid out in three dimensions by UMAP, aligned between levels, with clusters."""
