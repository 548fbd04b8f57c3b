"""How is an archive observed on many processes? Dask maps ``observe`` over chunks; graphs and I/O only."""
