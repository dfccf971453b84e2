//! stub
/// stub
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// .
    #[default]
    Off,
    /// .
    Explicit,
    /// .
    Implicit,
    /// .
    Prefer,
}
/// stub
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// .
    pub mode: TlsMode,
}
impl TlsPolicy {
    /// .
    pub fn mode(&self) -> TlsMode {
        self.mode
    }
    /// .
    pub fn tls12(&self) -> Option<Self> {
        Some(self.clone())
    }
}
