//! Options of how files are proved.

use super::options::words;
use crate::model::{KeptDigest, ServerHash, Settings};

/// How it is known that files are right.
#[derive(clap::Args)]
#[command(next_help_heading = "Proof")]
pub(super) struct ProofOptions {
    /// Where the list has no checksum, look for one beside the file: NAME.sha256, MD5SUMS, CHECKSUMS and the like
    #[arg(long)]
    sidecars: bool,
    /// Where no other checksum is known, ask the server for its own, if it offers that [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = words::<ServerHash>(&["auto", "off"]))]
    server_hash: Option<ServerHash>,
    /// Compute and keep this digest of every file: sha-256, sha-512, sha-1, md5, crc32, bsd-sum, cksum [default: none]
    #[arg(long, value_name = "ALGORITHM")]
    digest: Option<KeptDigest>,
}

impl ProofOptions {
    /// The settings that they make.
    pub(super) fn settings(&self) -> Settings {
        let Self { sidecars, server_hash, digest } = *self;
        Settings { sidecars: sidecars.then_some(true), server_hash, digest, ..Settings::default() }
    }
}
