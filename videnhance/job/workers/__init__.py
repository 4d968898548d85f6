"""A job on many machines: its segments are computed by workers, who share only its directory.

begin.py    plan_job, finish_job: both ends of a job that others work on
like.py     a worker opens a job, and is refused where it would give other bits
place.py    what a worker has at hand, and how it makes one segment
work.py     `videnhance work`: workers who find their work by claims
on_ray.py   `--ray`: the same work handed out by Ray
paths.py    where a worker finds what the job's record names
"""
