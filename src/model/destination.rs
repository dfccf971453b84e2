//! Where a file goes.

use super::text::is_direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// A relative path below a folder: single components only, none of which can leave the folder, hide itself from a
/// person, or mean something else on another system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct RelPath(String);

/// Why a text is no place to write a file to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Nothing there.
    #[error("the destination is empty")]
    Empty,
    /// Starts with `/`.
    #[error("the destination {0:?} is absolute; it must lie below the folder that --into names")]
    Absolute(String),
    /// `.` or `..`, or an empty component.
    #[error("the destination {0:?} has an empty, `.` or `..` component")]
    Dots(String),
    /// Backslash, control or direction-changing character.
    #[error("the destination {path:?} holds the character {found}, which ftpq refuses in file names")]
    Character {
        /// The whole path, made printable.
        path: String,
        /// The character, escaped.
        found: String,
    },
    /// More than 255 bytes in one component.
    #[error("the destination has a component of {0} bytes; file systems take at most 255")]
    TooLong(usize),
    /// ftpq's own names for unfinished files.
    #[error("the destination {0:?} is a name that ftpq keeps for unfinished files")]
    Reserved(String),
    /// A folder that is not absolute or not UTF-8.
    #[error("the folder {0:?} is not an absolute UTF-8 path")]
    Folder(String),
}

impl RelPath {
    /// Checks a path as a manifest or a remote name gives it.
    ///
    /// # Errors
    /// When any component could leave the folder or mislead a person.
    pub fn new(text: impl Into<String>) -> Result<Self, DestinationError> {
        let text = text.into();
        let shown = || super::printable(&text, 200);
        if text.is_empty() {
            return Err(DestinationError::Empty);
        }
        if text.starts_with('/') {
            return Err(DestinationError::Absolute(shown()));
        }
        if let Some(c) = text.chars().find(|&c| c == '\\' || c.is_control() || is_direction(c)) {
            return Err(DestinationError::Character { path: shown(), found: c.escape_default().to_string() });
        }
        for part in text.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return Err(DestinationError::Dots(shown()));
            }
            if part.len() > 255 {
                return Err(DestinationError::TooLong(part.len()));
            }
            if part.starts_with('.') && part.contains(".ftpq-part") {
                return Err(DestinationError::Reserved(shown()));
            }
        }
        Ok(Self(text))
    }

    /// The whole relative path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders on the way, outermost first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.rsplit_once('/').into_iter().flat_map(|(folders, _)| folders.split('/'))
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }
}

impl TryFrom<String> for RelPath {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        Self::new(text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A local file: a folder the user chose, and the path below it. Links are followed up to the folder and nowhere
/// below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Destination {
    /// Absolute folder that the user chose.
    dir: String,
    /// Path below it.
    path: RelPath,
}

impl Destination {
    /// A place below an absolute folder.
    ///
    /// # Errors
    /// When the folder is not absolute, or not UTF-8.
    pub fn new(dir: impl Into<PathBuf>, path: RelPath) -> Result<Self, DestinationError> {
        let dir = dir.into();
        match dir.to_str() {
            Some(text) if dir.is_absolute() && !text.contains(['\0', '\n', '\r']) => {
                let trimmed = text.trim_end_matches('/');
                Ok(Self { dir: if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }, path })
            }
            _ => Err(DestinationError::Folder(super::printable(&dir.to_string_lossy(), 200))),
        }
    }

    /// The folder itself: where a folder's files go. Its path below is empty.
    ///
    /// # Errors
    /// As [`Destination::new`].
    pub fn folder(dir: impl Into<PathBuf>) -> Result<Self, DestinationError> {
        Self::new(dir, RelPath(String::new()))
    }

    /// The folder that the user chose.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        std::path::Path::new(&self.dir)
    }

    /// The path below it.
    #[must_use]
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// The whole path: what tells two destinations apart.
    #[must_use]
    pub fn full(&self) -> PathBuf {
        self.dir().join(self.path.as_str())
    }
}

/// A stored or exchanged place is checked like a new one: a relative folder would mean another place for each reader.
impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            dir: String,
            path: String,
        }
        let Parts { dir, path } = Parts::deserialize(deserializer)?;
        let path =
            if path.is_empty() { RelPath(path) } else { RelPath::new(path).map_err(serde::de::Error::custom)? };
        Self::new(dir, path).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = if self.dir == "/" { "" } else { &self.dir };
        write!(f, "{dir}/{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_paths_apart() {
        let path = RelPath::new("a/b/c.gz").unwrap();
        assert_eq!(path.folders().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(path.file_name(), "c.gz");
        assert_eq!(RelPath::new("c.gz").unwrap().folders().count(), 0);
    }

    /// CVE-2002-1344, CVE-2010-3096, CVE-2026-27699, CVE-2025-11563: names that leave the folder.
    #[test]
    fn refuses_whatever_could_leave_the_folder() {
        for text in
            ["", "/etc/passwd", "..", "a/../../b", "a//b", "./a", "a/.", "..\\b", "a\u{0}b", "a\nb", "a\u{202e}gpj"]
        {
            assert!(RelPath::new(text).is_err(), "{text:?}");
        }
        assert!(RelPath::new("x".repeat(256)).is_err());
        assert!(RelPath::new(".a.ftpq-part").is_err());
    }

    #[test]
    fn a_destination_is_told_by_its_whole_path() {
        let place = Destination::new("/data/", RelPath::new("a/b").unwrap()).unwrap();
        assert_eq!(place.to_string(), "/data/a/b");
        assert_eq!(place.full(), PathBuf::from("/data/a/b"));
        assert!(Destination::new("data", RelPath::new("a").unwrap()).is_err());
        assert_eq!(Destination::new("/", RelPath::new("a").unwrap()).unwrap().to_string(), "/a");
    }

    #[test]
    fn a_folder_is_the_place_itself_and_is_read_back() {
        let place = Destination::folder("/data").unwrap();
        assert_eq!(place.to_string(), "/data/");
        let text = serde_json::to_string(&place).unwrap();
        assert_eq!(serde_json::from_str::<Destination>(&text).unwrap(), place);
        assert_eq!(place.full(), PathBuf::from("/data/"));
    }

    #[test]
    fn a_stored_destination_is_checked_like_a_new_one() {
        let read = |json: &str| serde_json::from_str::<Destination>(json);
        let place = read(r#"{"dir":"/data","path":"a/b"}"#).unwrap();
        assert_eq!(serde_json::to_string(&place).unwrap(), r#"{"dir":"/data","path":"a/b"}"#);
        for json in [r#"{"dir":"data","path":"a"}"#, r#"{"dir":"","path":"a"}"#, r#"{"dir":"/data","path":"../a"}"#] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
