"""Where was the drone, and where did it look? What it wrote beside its film, and a ground plane for every picture.

``log`` has the noun: one :class:`~crowdwatch.sources.flight.log.FlightLog` for whatever was written. ``words`` reads
the fields of one entry, ``srt``, ``csv_log`` and ``klv`` the files. ``gps_order`` finds out which number is the
latitude, ``cleaning`` what is no position or no height, ``joining`` which entry belongs to which picture, ``place``
puts WGS84 on the site's map, ``flight`` joins it all: time of the film to pose with its error, and ``film`` is the
source whose pictures say from where they were taken.
"""
