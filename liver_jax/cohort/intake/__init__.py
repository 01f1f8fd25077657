"""From a download or a folder of scans to a checked manifest.csv."""
