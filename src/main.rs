//! The `ftpq` program.

fn main() {}
