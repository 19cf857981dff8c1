"""Released: weights, configuration and run folders of the released code, read and written."""
