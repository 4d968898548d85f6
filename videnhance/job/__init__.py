"""A resumable job on one video, or many: request, directory, steps, status, preview."""

SUFFIX = ".videnhance"
RECORD = "job.json"
"""A folder with this ending, or with this file in it, holds the working files of a job."""
