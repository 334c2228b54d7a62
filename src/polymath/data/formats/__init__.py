"""One file or folder per format, reader and writer together; each gives episodes or pairs by index."""
