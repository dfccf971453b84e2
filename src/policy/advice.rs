//! What a person can do about a failure once nothing tries again by itself.

use crate::model::{Cause, Failure, FailureKind, JobId, Stage};

/// What a person types to have a failed job tried again.
const RETRY: &str = "`ftpq retry`";

/// The failure of a job that is given up, with advice that holds from now on: while the attempts go on, the advice of a
/// passing failure tells what ftpq does next, and that is over.
#[must_use]
pub fn given_up(failure: Failure, job: JobId) -> Failure {
    let retry = format!("`ftpq retry {job}`");
    match failure.kind {
        FailureKind::Transient => {
            let advice = outlook(&failure, &format!("{retry}, then `ftpq run`"));
            failure.with_advice(advice)
        }
        FailureKind::Permanent | FailureKind::Local => {
            let advice = failure.advice.as_ref().map(|advice| advice.replace(RETRY, &retry));
            Failure { advice, ..failure }
        }
    }
}

/// The failure for which everything on a host is left for another run.
#[must_use]
pub fn left_alone(failure: Failure) -> Failure {
    if failure.kind != FailureKind::Transient {
        return failure;
    }
    let advice = outlook(&failure, "`ftpq run` goes on with what is left");
    failure.with_advice(advice)
}

/// What to look into after trouble that did not pass in time, and `then` what to type.
fn outlook(failure: &Failure, then: &str) -> String {
    match (failure.stage, failure.cause) {
        (Stage::Resolve, _) => format!("check the host's name and this machine's network; {then}"),
        (Stage::Secure, Cause::Disconnected | Cause::Protocol | Cause::TlsRefused) => {
            format!("check scheme and port: ftpes:// is for port 21, ftps:// for 990; {then}")
        }
        (_, Cause::Timeout) => format!("try later, or with a longer --timeout: {then}"),
        (Stage::Connect, _) | (_, Cause::Unreachable) => {
            format!("check that the server runs and no firewall stands between; {then}")
        }
        (_, Cause::TooManyConnections) => {
            format!("try when the server has places free; --per-host 1 asks for one connection alone: {then}")
        }
        (_, Cause::DataConnection) => {
            format!("look at the firewalls between, or choose another --data-mode: {then}")
        }
        (_, Cause::TlsReuse) => {
            format!("ask the server's operator whether it demands TLS session reuse; {then}")
        }
        (_, Cause::Changed) => format!("wait until nobody writes to it any more; {then}"),
        (_, Cause::WrongSize) => format!("the server's SIZE or its file is damaged: ask its operator; {then}"),
        (_, Cause::Protocol) => {
            format!("`ftpq -v run` shows the dialogue, for the server's operator; {then}")
        }
        _ => format!("try later; --retries allows more attempts: {then}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that promise what does not happen any more.
    const STALE: [&str; 6] =
        ["is tried again", "new session", "goes on where", "is read again", "are used", "starts again"];

    #[test]
    fn whatever_failed_in_passing_ends_with_what_a_person_can_type() {
        let causes = [
            Cause::Unreachable,
            Cause::Disconnected,
            Cause::Timeout,
            Cause::TooManyConnections,
            Cause::TlsReuse,
            Cause::Refused,
            Cause::Protocol,
            Cause::DataConnection,
            Cause::Changed,
            Cause::WrongSize,
        ];
        let stages = [Stage::Resolve, Stage::Connect, Stage::Secure, Stage::Data, Stage::Retrieve, Stage::List];
        for (cause, stage) in causes.into_iter().flat_map(|cause| stages.map(|stage| (cause, stage))) {
            let failure = Failure::transient(stage, cause, "x").with_advice("it is tried again on a new session");
            let text = given_up(failure.clone(), JobId(7)).advice.unwrap();
            assert!(text.ends_with("`ftpq retry 7`, then `ftpq run`"), "{cause:?} {stage:?}: {text}");
            let held = left_alone(failure).advice.unwrap();
            assert!(held.contains("`ftpq run`") && !held.contains("retry 7"), "{cause:?} {stage:?}: {held}");
            for words in STALE {
                assert!(!text.contains(words) && !held.contains(words), "{cause:?} {stage:?}: {text}; {held}");
            }
        }
    }

    #[test]
    fn advice_that_holds_for_good_is_kept_and_names_the_job() {
        let failure = Failure::permanent(Stage::Login, Cause::LoginRefused, "x")
            .with_advice("give the right ones in netrc; then `ftpq retry`");
        assert_eq!(
            given_up(failure.clone(), JobId(7)).advice.unwrap(),
            "give the right ones in netrc; then `ftpq retry 7`"
        );
        assert_eq!(left_alone(failure.clone()), failure);
        let bare = Failure::local(Stage::Store, Cause::LocalIo, "x");
        assert_eq!(given_up(bare.clone(), JobId(7)), bare);
    }

    #[test]
    fn the_advice_goes_by_what_was_wrong() {
        let advice = |stage, cause| given_up(Failure::transient(stage, cause, "x"), JobId(1)).advice.unwrap();
        assert!(advice(Stage::Data, Cause::DataConnection).contains("--data-mode"));
        assert!(advice(Stage::Retrieve, Cause::Timeout).contains("--timeout"));
        assert!(advice(Stage::Retrieve, Cause::TooManyConnections).contains("--per-host 1"));
        assert!(advice(Stage::Resolve, Cause::Unreachable).contains("name"));
        assert!(advice(Stage::Retrieve, Cause::Refused).contains("--retries"));
    }
}
