"""Bytes: paths and URLs, pictures, video, caches of bounded size, quarantine."""
