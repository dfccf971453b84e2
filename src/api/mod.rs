//! Requests from other processes, over a local socket.
