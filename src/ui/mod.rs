//! The screen: progress and messages on standard error, results on standard output.
//!
//! What is shown is made by pure functions (`render`, `message`) from a snapshot or an event. It waits in a queue
//! (`event_queue`) until the one thread that writes takes it (`screen`): no worker ever waits for a terminal. `terminal`
//! is where indicatif meets a real one, and `writer` sees whether anybody reads.

mod event_queue;
mod message;
mod output;
mod render;
mod screen;
mod terminal;
mod text;
mod writer;

pub use output::Output;
pub use screen::Screen;
pub use writer::MessageWriter;

#[cfg(test)]
mod tests;
