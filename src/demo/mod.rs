//! The first contact: an embedded server, a download, an interruption, a resume.
