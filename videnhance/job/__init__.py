"""A resumable job on one video, or many: request, directory, steps, status, preview."""
