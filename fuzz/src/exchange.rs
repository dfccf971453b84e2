//! What comes from other processes and from the credential file.

use super::bytes::in_folder;
use super::{MARK, assert_secret, knows_mark};
use ftpq::api::fuzzing::request_again;
use ftpq::model::{Account, Event, Selection, StatusReport};
use ftpq::queue::Credentials;

/// A request is read back as it was written; answers and events are; a damaged credential file is refused without a word
/// of it.
pub fn exchange(data: &[u8]) {
    if let Some(once) = request_again(data) {
        assert_eq!(request_again(&once), Some(once.clone()), "{:?}", String::from_utf8_lossy(&once));
    }
    again::<Selection>(data);
    again::<Event>(data);
    again::<StatusReport>(data);
    if knows_mark(data) {
        return;
    }
    // As a value only: the names of accounts are no secret.
    let text = String::from_utf8_lossy(data).replace(r#": "PASSWORD""#, &format!(r#": "{MARK}""#));
    in_folder(|folder| {
        folder.write("credentials", text.as_bytes());
        match Credentials::load(folder.path()) {
            Err(error) => assert_secret(&format!("{error} {error:?}")),
            Ok(kept) => {
                assert_secret(&format!("{kept:?}"));
                let account = Account::try_from("ftp://bob@h".to_owned()).unwrap();
                if kept.get(&account).is_some() {
                    assert!(text.contains("bob") || text.contains('\\'), "a password of nobody's: {kept:?}");
                }
                for (name, login) in kept.entries() {
                    assert_secret(&format!("{login:?}"));
                    assert!(text.contains('\\') || text.contains(name), "{name:?}");
                }
            }
        }
    });
}

/// What is read from JSON is written and read back the same.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let once = serde_json::to_vec(&value).expect("what was read can be written");
    let twice = serde_json::from_slice::<T>(&once).ok().and_then(|value| serde_json::to_vec(&value).ok());
    assert_eq!(twice.as_deref(), Some(once.as_slice()), "{:?}", String::from_utf8_lossy(&once));
}
