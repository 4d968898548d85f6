"""Who is who, as far as a number can tell: embeddings of faces, drift, and tracks of one person.

Distances between faces of one clip, never a verdict, and never a comparison with pictures from
outside the clip: that is identification, which this tool does not do.
"""
