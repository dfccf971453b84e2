//! The words of the trade: what a job is, where it comes from, where it goes, how it ends.
//!
//! Floor 0: no tokio, no files, no clock. Everything stored or exchanged is described in `queue-schema/`.

mod assign;
mod checksum;
mod counts;
mod date;
mod destination;
mod event;
mod failure;
mod folder;
mod host;
mod ids;
mod job;
mod manifest_line;
mod progress;
mod proof;
mod protection;
mod record;
mod report;
mod secret;
mod settings;
mod snapshot;
mod source;
mod stability;
mod state;
mod text;
mod tls;
mod unique;

pub use assign::{SettingError, parse_bytes};
pub use checksum::{Algorithm, Checksum, ChecksumError};
pub use counts::Counts;
pub use date::{rfc3339, rfc3339_millis};
pub use destination::{Destination, DestinationError, RelPath};
pub use event::Event;
pub use failure::{Cause, Failure, FailureKind, Stage};
pub use folder::{Folder, FolderTally, Listed};
pub use host::{Account, HostFacts, HostKey, PerHost, Quirks};
pub use ids::{IdSet, JobId};
pub use job::{Change, Claim, Clash, Expectation, Job, JobSpec, Mirror, Receipt, Selection, Settlement};
pub use manifest_line::ManifestLine;
pub use progress::{Identity, Progress, Span};
pub use proof::{KeptDigest, PieceDigests, Proof, ProofCounts, SameBy, ServerHash};
pub use protection::{CertificateCheck, Protection, TlsInUse};
pub use record::{Attempt, JobRecord, SourceTrouble, Wait};
pub use report::{
    ReportLine, ReportSummary, ReportedFile, ReportedFolder, Standing, VerifiedFile, VerifyLine, VerifySummary,
};
pub use secret::Secret;
pub use settings::{DataMode, Durability, Existing, Pipelining, PortRange, Settings, TransferType};
pub use snapshot::{HostStatus, LaxHost, RunningFile, Snapshot, StatusReport};
pub use source::{RemotePath, Scheme, Source, SourceError, encode as percent_encoded};
pub use stability::Stability;
pub use state::{IllegalMove, JobState, Move};
pub use text::{json_line, printable, without_userinfo};
pub use tls::{Pin, Pins, Tls, TlsVersion};
pub use unique::UniqueHash;
