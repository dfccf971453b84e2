//! Options that several commands share, and the settings they make.

use super::exit::Failed;
use super::face::Face;
use super::proof_options::ProofOptions;
use crate::config::{Config, check_tls_files};
use crate::model::{
    DataMode, Durability, Existing, PerHost, Pin, Pins, Pipelining, PortRange, Settings, Tls, TlsVersion, TransferType,
    parse_bytes,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::value_parser;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::IpAddr;
use std::path::PathBuf;

/// How data connections are opened.
#[derive(clap::Args)]
#[command(next_help_heading = "Connections")]
pub(super) struct DataOptions {
    /// How data connections are opened; auto is EPSV, then PASV [default: auto]
    #[arg(long, value_name = "MODE",
        value_parser = words::<DataMode>(&["auto", "passive", "epsv", "pasv", "active", "eprt", "port"]))]
    data_mode: Option<DataMode>,
    /// How far commands go ahead of replies; auto learns it of each host, deep vouches for it [default: auto]
    #[arg(long, value_name = "HOW", value_parser = words::<Pipelining>(&["auto", "off", "burst", "deep"]))]
    pipelining: Option<Pipelining>,
    /// Address to name in PORT and EPRT, behind NAT
    #[arg(long, value_name = "ADDR")]
    active_address: Option<IpAddr>,
    /// Ports to name in PORT and EPRT
    #[arg(long, value_name = "LOW-HIGH")]
    active_ports: Option<PortRange>,
    /// Local address of every connection
    #[arg(long, value_name = "ADDR")]
    bind: Option<IpAddr>,
    /// Seconds without progress, in any phase, after which an attempt has failed [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u32).range(1..=86_400))]
    timeout: Option<u32>,
    /// Further attempts after one that did not bring the file further [default: 20]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=1_000_000))]
    retries: Option<u32>,
}

/// What is done with the files.
#[derive(clap::Args)]
#[command(next_help_heading = "Files")]
pub(super) struct FileOptions {
    /// Representation type; ascii converts line ends and can't be resumed [default: image]
    #[arg(long = "type", value_name = "TYPE", value_parser = words::<TransferType>(&["image", "ascii"]))]
    transfer_type: Option<TransferType>,
    /// Wait until a file has not been written to on the server for so many seconds, by the server's clock; 0 does not wait
    /// [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u32).range(0..=86_400))]
    min_age: Option<u32>,
    /// Start unfinished files again
    #[arg(long)]
    no_resume: bool,
    /// Fetch each file over one connection; otherwise connections with nothing else to do share a large file
    #[arg(long)]
    no_split: bool,
    /// What to do with a file that is already there [default: check]
    #[arg(long, value_name = "WHAT",
        value_parser = words::<Existing>(&["check", "resume", "overwrite", "backup", "skip", "error"]))]
    existing: Option<Existing>,
    /// How hard bytes are pushed to the disk before they count [default: full]
    #[arg(long, value_name = "HOW", value_parser = words::<Durability>(&["full", "none"]))]
    durability: Option<Durability>,
    /// Most bytes a second of one transfer; K, M and G are binary
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    limit_rate: Option<u64>,
}

/// What `add`, `run` and `get` may say of the jobs they concern.
#[derive(clap::Args)]
pub(super) struct JobOptions {
    #[command(flatten)]
    pub(super) login: LoginOptions,
    #[command(flatten)]
    pub(super) data: DataOptions,
    #[command(flatten)]
    pub(super) file: FileOptions,
    #[command(flatten)]
    pub(super) tls: TlsOptions,
    #[command(flatten)]
    pub(super) proof: ProofOptions,
}

/// TLS, and whom to trust.
#[derive(clap::Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsOptions {
    /// Use of TLS: auto goes by the URL's scheme; of ftp://, explicit demands AUTH TLS, implicit TLS from the first
    /// byte; off [default: auto]
    #[arg(long, value_name = "HOW", value_parser = use_of_tls)]
    tls: Option<Tls>,
    /// Trust the certificates in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Public key that the server must show: sha256//BASE64 of its public key info, as curl has it; may be given again
    #[arg(long, value_name = "PIN")]
    pin: Vec<Pin>,
    /// Certificate to show to the server (PEM)
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its private key (PEM), where it is not in the same file
    #[arg(long, value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// Oldest version of TLS to speak [default: 1.2]
    #[arg(long, value_name = "VERSION", value_parser = words::<TlsVersion>(&["1.2", "1.3"]))]
    tls_min: Option<TlsVersion>,
    /// Take any certificate: anybody on the line can then read and change everything
    #[arg(long)]
    insecure: bool,
}

/// User and password for URLs that have none.
#[derive(clap::Args)]
#[command(next_help_heading = "Login")]
pub(super) struct LoginOptions {
    /// User name for URLs that have none [default: `$FTPQ_USER`, with the password in `$FTPQ_PASSWORD`]
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    pub(super) user: Option<String>,
    /// File whose first line is the password for URLs that have none
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Ask for the passwords of named users on the terminal
    #[arg(long, conflicts_with = "password_file")]
    pub(super) ask_password: bool,
    /// Store no password of this command: it is held in memory until the run ends
    #[arg(long)]
    pub(super) no_store: bool,
}

/// Options of a run as a whole.
#[derive(clap::Args, Default)]
#[command(next_help_heading = "Connections")]
#[expect(clippy::struct_excessive_bools, reason = "options that go together in any way")]
pub(super) struct RunOptions {
    /// Say what would be done, files and bytes; folders are listed, nothing is changed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Connections over all hosts at a time [default: 16]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(Config::MAX_CONNECTIONS)))]
    pub(super) connections: Option<u32>,
    /// Connections to one host at a time; auto finds out how many bring something, up to 16 [default: auto]
    #[arg(long, value_name = "N|auto")]
    pub(super) per_host: Option<PerHost>,
    /// Begin even if the files will not all fit on the disk
    #[arg(long, help_heading = "Files")]
    pub(super) force: bool,
    /// Take logins from netrc: --netrc for ~/.netrc, --netrc=FILE for another
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = "Login")]
    #[expect(clippy::option_option, reason = "absent, given, given with a file: as clap tells them apart")]
    pub(super) netrc: Option<Option<PathBuf>>,
    /// Take the `default` login of netrc for hosts that it does not name
    #[arg(long, help_heading = "Login")]
    pub(super) netrc_default: bool,
    /// Take passwords from the system's keyring too
    #[arg(long, help_heading = "Login")]
    pub(super) keyring: bool,
}

/// The settings that the options make; files that they name were looked into.
pub(super) fn settings(face: &mut Face<'_>, job: &JobOptions) -> Result<Settings, Failed> {
    let JobOptions { data, file, tls, proof, .. } = job;
    let placed = |path: &Option<PathBuf>| path.as_deref().map(|path| face.absolute(path)).transpose();
    let settings = Settings {
        data_mode: data.data_mode,
        pipelining: data.pipelining,
        active_address: data.active_address,
        active_ports: data.active_ports,
        bind: data.bind,
        timeout: data.timeout,
        retries: data.retries,
        transfer_type: file.transfer_type,
        min_age: file.min_age,
        resume: file.no_resume.then_some(false),
        split: file.no_split.then_some(false),
        existing: file.existing,
        durability: file.durability,
        limit_rate: file.limit_rate,
        tls: tls.tls,
        ca_file: placed(&tls.ca_file)?,
        pin: Pins::new(tls.pin.clone()).map_err(|e| Failed::Usage(format!("--pin: {e}")))?,
        client_cert: placed(&tls.client_cert)?,
        client_key: placed(&tls.client_key)?,
        tls_min: tls.tls_min,
        insecure: tls.insecure.then_some(true),
        ..proof.settings()
    };
    settings.check().map_err(|e| Failed::Usage(e.to_string()))?;
    check_tls_files(&settings)?;
    if tls.insecure {
        face.complain(if settings.pin.is_some() {
            "--insecure: of the server's certificate only the pinned key counts, not its name, its time or its issuer"
        } else {
            "--insecure: ANY CERTIFICATE WILL DO: whoever sits on the line can read and change everything, passwords \
             included; --ca-file or --pin is what keeps them out"
        });
    }
    Ok(settings)
}

/// A parser of one of these words, which are the type's own.
pub(super) fn words<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| serde_json::from_value::<T>(Value::String(word)))
}

fn use_of_tls(text: &str) -> Result<Tls, String> {
    match text {
        "auto" => Ok(Tls::Auto),
        "off" => Ok(Tls::Off),
        "explicit" => Ok(Tls::Explicit),
        "implicit" => Ok(Tls::Implicit),
        "prefer" => Err("whoever sits on the line can take such TLS away, so only the settings file can ask for it, \
                         for a host: [host.\"NAME\"] tls = \"prefer\""
            .to_owned()),
        _ => Err("write auto, off, explicit or implicit".to_owned()),
    }
}

fn rate(text: &str) -> Result<u64, String> {
    parse_bytes(text).and_then(|n| if n == 0 { Err("write 1 byte a second or more".to_owned()) } else { Ok(n) })
}

pub(super) fn user_name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("a user name can't be empty".to_owned()),
        _ if text.chars().any(char::is_control) => Err("a user name can't hold control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
}
