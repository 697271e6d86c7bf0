"""The benefit of each part of the channel codec, above all of attention."""
