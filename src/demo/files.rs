//! The files of the demonstration, and what becomes of them on disk.

use ring::digest::{SHA256, digest};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

/// 2024-01-01 12:00:00 UTC in seconds since 1970.
const FIRST_DAY: u64 = 1_704_110_400;

/// A file that the server offers.
pub(super) struct Sample {
    /// Its name, on the server and on disk.
    pub(super) name: String,
    /// Its bytes.
    pub(super) content: Vec<u8>,
    /// Days after 2024-01-01 that it was last changed; below 31.
    day: u64,
}

/// How a file stands on disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is there.
    Absent,
    /// So many bytes under a part name.
    Part(u64),
    /// Under its final name, every byte and the time as on the server.
    Whole,
    /// Under its final name, and not what the server has.
    Wrong(String),
}

impl Sample {
    /// Files of noise, none of a round length: from `step` to about four times `step` bytes each. Always the same.
    pub(super) fn some(count: u64, step: usize) -> Vec<Self> {
        let sample = |i: u64| {
            let mut random = fastrand::Rng::with_seed(i);
            let mut content = vec![0; step + random.usize(0..step * 3) + 1];
            random.fill(&mut content);
            Self { name: format!("sample-{}.dat", i + 1), content, day: i % 31 }
        };
        (0..count).map(sample).collect()
    }

    /// When it was last changed, as MDTM says it (RFC 3659, section 2.3).
    pub(super) fn modified_text(&self) -> String {
        format!("202401{:02}120000", self.day + 1)
    }

    fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(FIRST_DAY + self.day * 86_400)
    }

    /// Its line in the manifest.
    pub(super) fn manifest_line(&self, server: &std::net::SocketAddr) -> String {
        let mut hex = String::new();
        for byte in digest(&SHA256, &self.content).as_ref() {
            let _ = write!(hex, "{byte:02x}");
        }
        let (name, size) = (&self.name, self.content.len());
        let url = format!("ftp://{server}/{name}");
        serde_json::json!({ "url": url, "path": name, "size": size, "checksum": format!("sha-256={hex}") }).to_string()
    }

    /// Compares what is on disk with what the server has, byte for byte.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn standing(&self, folder: &Path) -> io::Result<Standing> {
        let path = folder.join(&self.name);
        let found = match fs::read(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match fs::metadata(folder.join(format!(".{}.ftpq-part", self.name))) {
                    Ok(part) => Ok(Standing::Part(part.len())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Absent),
                    Err(error) => Err(error),
                };
            }
            Err(error) => return Err(error),
        };
        if found.len() != self.content.len() {
            return Ok(Standing::Wrong(format!("{} of {} bytes", found.len(), self.content.len())));
        }
        if found != self.content {
            return Ok(Standing::Wrong("other bytes".to_owned()));
        }
        if fs::metadata(&path)?.modified()? != self.modified() {
            return Ok(Standing::Wrong("another modification time".to_owned()));
        }
        Ok(Standing::Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_only_with_every_byte_and_its_time() {
        let dir = tempfile::TempDir::new().unwrap();
        let sample = Sample::some(2, 1000).remove(1);
        let path = dir.path().join(&sample.name);
        assert_eq!(sample.standing(dir.path()).unwrap(), Standing::Absent);
        fs::write(dir.path().join(".sample-2.dat.ftpq-part"), b"abc").unwrap();
        assert_eq!(sample.standing(dir.path()).unwrap(), Standing::Part(3));
        fs::write(&path, &sample.content).unwrap();
        assert!(matches!(sample.standing(dir.path()).unwrap(), Standing::Wrong(_)));
        fs::File::open(&path).unwrap().set_modified(sample.modified()).unwrap();
        assert_eq!(sample.standing(dir.path()).unwrap(), Standing::Whole);
        let mut bytes = sample.content.clone();
        bytes[7] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(sample.standing(dir.path()).unwrap(), Standing::Wrong("other bytes".to_owned()));
        fs::write(&path, &bytes[1..]).unwrap();
        assert!(matches!(sample.standing(dir.path()).unwrap(), Standing::Wrong(_)));
    }

    #[test]
    fn a_manifest_line_says_what_the_file_is() {
        let sample = Sample::some(1, 1000).remove(0);
        let line: serde_json::Value =
            serde_json::from_str(&sample.manifest_line(&"127.0.0.1:2121".parse().unwrap())).unwrap();
        assert_eq!(line["url"], "ftp://127.0.0.1:2121/sample-1.dat");
        assert_eq!(line["size"], sample.content.len());
        assert_eq!(line["checksum"].as_str().unwrap().len(), 8 + 64);
    }
}
