//! Readers of lists: one file a format, all streaming.
