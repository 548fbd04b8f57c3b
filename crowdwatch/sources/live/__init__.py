"""Live cameras: readers, processes apart, that open streams, stamp their pictures and hand over the newest ones."""
