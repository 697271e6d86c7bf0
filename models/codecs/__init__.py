"""Channel codecs: features to symbols and back, for every number of channel uses."""
