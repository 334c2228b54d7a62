"""LeRobotDataset v2.0 to v3.0: its layout on disk, metadata, reader and writer."""
