//! Drives `wire` over tokio.
