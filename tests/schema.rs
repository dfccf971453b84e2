//! `queue-schema/` says what the program does: schemas and the table of moves are compared with the types.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test"
)]

use ftpq::model::{Event, Failure, Job, JobState, ManifestLine, Move, ReportLine, StatusReport, VerifyLine};
use schemars::JsonSchema;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("queue-schema")
}

fn compare<T: JsonSchema>(name: &str) -> Value {
    let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = folder().join(name);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{} is stale; run `UPDATE_SCHEMAS=1 cargo test --test schema` and look at what changed",
        path.display()
    );
    schema
}

#[test]
fn the_schemas_are_those_of_the_types() {
    compare::<ManifestLine>("manifest-line.schema.json");
    compare::<Job>("job.schema.json");
    compare::<Event>("event.schema.json");
    compare::<StatusReport>("status.schema.json");
    compare::<ReportLine>("report.schema.json");
    compare::<VerifyLine>("verify.schema.json");
}

fn verdicts<T: JsonSchema>(good: &[&str], bad: &[&str]) {
    let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in good {
        let value: Value = serde_json::from_str(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{text}: {errors:?}");
    }
    for text in bad {
        assert!(!validator.is_valid(&serde_json::from_str(text).unwrap()), "{text}");
    }
}

#[test]
fn the_schemas_take_what_is_written_and_refuse_mistakes() {
    verdicts::<ManifestLine>(
        &[
            r#"{"url":"ftp://h/a"}"#,
            r#"{"url":"ftp://h/a","path":"a","size":3,"sha256":"00","limit-rate":5,"type":"ascii"}"#,
        ],
        &[r#"{"path":"a"}"#, r#"{"url":"ftp://h/a","sise":3}"#, r#"{"url":"ftp://h/a","size":"3"}"#],
    );
    let job = r#"{"id":1,"state":"waiting","source":"ftp://h/a","destination":{"dir":"/d","path":"a"},"expect":{},
        "fruitless":1,"attempts":1,"not_before":5,"history":[]}"#;
    let _: Job = serde_json::from_str(job).unwrap();
    verdicts::<Job>(&[job], &[r#"{"id":1}"#, &job.replace("waiting", "lost"), &job.replace(r#""id":1"#, r#""id":-1"#)]);
    let notice = serde_json::to_string(&Event::Notice { text: "x".to_owned() }).unwrap();
    let failure = Failure::local(ftpq::model::Stage::Store, ftpq::model::Cause::DiskFull, "no space is left");
    let full = serde_json::to_string(&Event::DiskFull { path: "/d".to_owned(), failure }).unwrap();
    verdicts::<Event>(&[&notice, &full], &[r#"{"event":"unheard_of"}"#, r#"{"event":"notice"}"#]);
}

#[test]
fn the_table_of_moves_is_that_of_the_program() {
    let text = fs::read_to_string(folder().join("STATES.md")).unwrap();
    let word = |v: Value| v.as_str().unwrap().to_owned();
    let mut listed: Vec<[String; 3]> = Vec::new();
    for row in text.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<String> =
            row.trim_matches('|').split('|').map(|c| c.trim().trim_matches('`').to_owned()).collect();
        if let [from, attempted, to] = &cells[..] {
            listed.push([from.clone(), attempted.clone(), to.clone()]);
        }
    }
    let mut legal: Vec<[String; 3]> = Vec::new();
    for from in JobState::ALL {
        for attempted in Move::ALL {
            if let Ok(to) = from.apply(attempted) {
                let attempted = word(serde_json::to_value(attempted).unwrap());
                legal.push([from.name().to_owned(), attempted, to.name().to_owned()]);
            }
        }
    }
    if listed != legal {
        let rows: Vec<String> = legal.iter().map(|[a, b, c]| format!("| `{a}` | `{b}` | `{c}` |")).collect();
        panic!("the table in queue-schema/STATES.md should be\n{}", rows.join("\n"));
    }
}
