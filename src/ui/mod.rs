//! The screen: progress and messages on standard error, results on standard output.
//!
//! What is shown is made by pure functions (`render`, `message`) from a snapshot or an event; one thread (`screen`)
//! writes it all, so that no worker ever waits for a terminal; `terminal` is where indicatif meets a real one.

mod message;
mod output;
mod render;
mod screen;
mod terminal;
mod text;

pub use output::Output;
pub use screen::Screen;

#[cfg(test)]
mod tests;
