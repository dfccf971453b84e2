//! The program as a whole, black box: the binary against scripted and real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_collect,
    clippy::needless_for_each,
    reason = "a test ends by a panic, and says where"
)]

#[path = "../support/mod.rs"]
mod support;

mod adding;
mod bad_listings;
mod bounds;
mod bounds_over_kills;
mod bulk;
mod changing;
mod clock;
mod crash;
mod descriptors;
mod disk_full;
mod ends;
mod failpoints;
mod fairness;
mod folder_runs;
mod formats;
mod giving_up;
mod hostile_files;
mod hostile_floods;
mod hostile_listings;
mod hostile_lists;
mod hostile_names;
mod hostile_output;
mod hostile_replies;
mod known;
mod known_bytes;
mod known_here;
mod left_by_others;
mod leftovers;
mod lies_data;
mod lies_files;
mod lies_replies;
mod listing_forms;
mod listings;
mod mirrors;
mod moving_files;
mod one_version;
mod policies;
mod proofs;
mod reports;
mod room;
mod round_trips;
mod secrets;
mod secrets_everywhere;
mod secrets_kept;
mod secrets_prompt;
mod servers;
mod sessions;
mod shared_port;
mod small_files;
mod space;
mod splitting;
mod stopping;
mod storage;
mod sync_deletes;
mod tls_attacks;
mod tls_case;
mod tls_refusals;
mod tls_reuse;
mod tls_servers;
mod tls_shown;
mod tls_truncation;
mod trees;
mod unread;
mod uploads;
mod verdict;
mod verifying;
mod verifying_meanwhile;
mod whose_password;
