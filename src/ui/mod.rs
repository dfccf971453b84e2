//! The screen: progress and messages.
