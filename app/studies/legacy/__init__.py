"""The files of the systems that this program replaces: read, and written from the runs of a study."""
