//! The settings file, netrc and command-line overrides, merged into one value per host.

/// The settings file and netrc, read.
#[derive(Clone, Debug, Default)]
pub struct Config {}
