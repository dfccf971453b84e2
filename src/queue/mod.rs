//! The stored jobs: the trait, its backends and the committer thread.
