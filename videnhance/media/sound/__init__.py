"""The source's other streams: sound and subtitles, with times mended, cut, copied or re-encoded."""
