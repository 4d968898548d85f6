"""The other streams of a source: sound and subtitles, mended, cut, encoded anew."""
