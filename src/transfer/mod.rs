//! One file, from claim to final name.
