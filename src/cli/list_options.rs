//! Options for reading lists, which `add` and `get` share.

use super::exit::Failed;
use crate::manifest::{Base, EnaColumn, Format, ReadOptions};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// How lists are read.
#[derive(clap::Args)]
#[command(next_help_heading = "Lists")]
pub(super) struct ListOptions {
    /// Format of the lists [default: told by their first bytes, then by the extension]
    #[arg(long, value_parser = formats())]
    format: Option<Format>,
    /// URL of the folder that relative URLs, and the names in lists of checksums, are appended to
    #[arg(long, value_name = "URL")]
    pub(super) base: Option<String>,
    /// Of each assembly of an assembly_summary, fetch the file with this ending, such as _genomic.fna.gz; several times for
    /// several files [default: its whole folder]
    #[arg(long, value_name = "ENDING", value_parser = suffix, allow_hyphen_values = true)]
    suffix: Vec<String>,
    /// Of an ENA report, fetch these files: fastq, submitted, sra, with commas between [default: the first of them that the
    /// report has]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', value_parser = columns())]
    columns: Vec<EnaColumn>,
    /// Report bad lines and queue the rest; without it a list is taken whole or not at all
    #[arg(long)]
    pub(super) skip_bad: bool,
}

impl ListOptions {
    /// How the readers of lists are to go about it.
    pub(super) fn read(&self, into: PathBuf) -> Result<ReadOptions, Failed> {
        let base = self.base.as_deref().map(Base::parse).transpose();
        let base = base.map_err(|e| Failed::Usage(format!("--base: {e}")))?;
        let mut columns = self.columns.clone();
        columns.sort_by_key(|column| column.name());
        columns.dedup();
        let mut suffixes = self.suffix.clone();
        suffixes.sort();
        suffixes.dedup();
        Ok(ReadOptions { format: self.format, base, suffixes, columns, ..ReadOptions::below(into) })
    }
}

fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .try_map(|name| Format::named(&name).ok_or("no such format"))
}

fn columns() -> impl TypedValueParser<Value = EnaColumn> {
    PossibleValuesParser::new(EnaColumn::ALL.map(EnaColumn::name))
        .try_map(|name| EnaColumn::ALL.into_iter().find(|column| column.name() == name).ok_or("no such column"))
}

fn suffix(text: &str) -> Result<String, String> {
    match text {
        "" => Err("is empty; write the end of a file's name, such as _genomic.fna.gz".to_owned()),
        _ if text.contains('/') || text.contains(char::is_control) => {
            Err("write the end of a file's name, without a slash, such as _genomic.fna.gz".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}
