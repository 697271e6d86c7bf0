"""`python -m benchmarks.studies.codecs`; worker processes import the study from its own module."""

from benchmarks.studies.codecs.study import main

main()
