//! Part files, digests, free space, durable commit.
