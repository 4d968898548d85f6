"""The directory of a job: what lies in it, its record, fingerprints and seals."""
