//! Decisions as pure functions: resume, retry, admission to a host, rate.
