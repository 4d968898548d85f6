"""The steps of a job: plan, detect, track, render, deliver."""
