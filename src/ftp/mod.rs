//! Drives `wire` over tokio: connect, control connection, data connection, session.
