"""The report: one page that shows what was done to a video, for people who must judge it.

`model.py` is all that the page shows; `gather.py` collects it from a record or a job; `page.py`
makes it one self-contained file.
"""
