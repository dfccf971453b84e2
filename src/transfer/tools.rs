//! What the transfers of one session use one after the other.

use crate::disk::Pipe;

/// A buffer and a pipe, made when they are first needed and kept for the next file.
#[derive(Debug, Default)]
pub(super) struct Tools {
    buffer: Vec<u8>,
    pipe: Option<Pipe>,
    /// The system gives no pipe that is any good.
    no_pipe: bool,
}

impl Tools {
    /// A buffer of `length` bytes; their content is of no meaning.
    pub(super) fn buffer(&mut self, length: usize) -> &mut [u8] {
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        self.buffer.get_mut(..length).unwrap_or_default()
    }

    /// An empty pipe, where there is one to be had. It is given back by [`Tools::keep`] while it is empty, or dropped.
    pub(super) fn pipe(&mut self) -> Option<Pipe> {
        if self.pipe.is_none() && !self.no_pipe {
            self.pipe = Pipe::open();
            self.no_pipe = self.pipe.is_none();
        }
        self.pipe.take()
    }

    /// Takes back an empty pipe.
    pub(super) fn keep(&mut self, pipe: Pipe) {
        self.pipe = Some(pipe);
    }
}
