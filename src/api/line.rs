//! Lines of bounded length with deadlines.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Longest request in bytes.
pub(super) const REQUEST: usize = 1 << 20;
/// Longest answer in bytes: the numbers of a million jobs, half of them known before, in turns.
pub(super) const ANSWER: usize = 64 << 20;
/// How long a line may take from its first byte to its last.
const WHOLE: Duration = Duration::from_secs(10);

/// The next line without its end; `None` at the end of the stream. Waits `idle` for its first byte.
///
/// # Errors
/// `TimedOut` after `idle` or when the line doesn't end, `InvalidData` when it is longer than `limit` bytes.
pub(super) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
    idle: Duration,
) -> io::Result<Option<Vec<u8>>> {
    if timeout(idle, from.fill_buf()).await??.is_empty() {
        return Ok(None);
    }
    timeout(WHOLE, whole(from, limit)).await?.map(Some)
}

async fn whole(from: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let chunk = from.fill_buf().await?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = chunk.iter().position(|&b| b == b'\n');
        let part = end.and_then(|end| chunk.get(..end)).unwrap_or(chunk);
        if line.len() + part.len() > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
        }
        line.extend_from_slice(part);
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(line);
        }
    }
}

/// Writes a line; `text` holds no line end.
///
/// # Errors
/// When it isn't taken within 10 s.
pub(super) async fn write(to: &mut (impl AsyncWrite + Unpin), mut text: Vec<u8>) -> io::Result<()> {
    text.push(b'\n');
    timeout(WHOLE, async {
        to.write_all(&text).await?;
        to.flush().await
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_told_apart_and_bounded() {
        let mut from: &[u8] = b"one\n\ntwo";
        let second = Duration::from_secs(1);
        assert_eq!(read(&mut from, 3, second).await.unwrap().unwrap(), b"one");
        assert_eq!(read(&mut from, 3, second).await.unwrap().unwrap(), b"");
        let error = read(&mut from, 3, second).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(read(&mut from, 3, second).await.unwrap().is_none());
        let mut long: &[u8] = b"four\n";
        assert_eq!(read(&mut long, 3, second).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
