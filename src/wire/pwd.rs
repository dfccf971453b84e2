//! The directory in a 257 reply.

use super::reply::Reply;

/// The quoted directory of a 257 reply to PWD (RFC 959, appendix II): quotes inside are doubled, text may stand
/// before and behind. Nothing when a quote is missing or a control byte stands inside.
#[must_use]
pub fn directory(reply: &Reply) -> Option<Vec<u8>> {
    let text = reply.last_line();
    let start = text.iter().position(|&b| b == b'"')?;
    let mut rest = text.get(start + 1..)?.iter().copied().peekable();
    let mut out = Vec::new();
    loop {
        match rest.next()? {
            b'"' if rest.peek() == Some(&b'"') => {
                rest.next();
                out.push(b'"');
            }
            b'"' => return Some(out).filter(|path| !path.is_empty()),
            byte if byte.is_ascii_control() => return None,
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn reads_the_quoted_directory() {
        for (text, path) in [
            (r#"257 "/""#, "/"),
            (r#"257 "/pub" is the current directory"#, "/pub"),
            (r#"257 there is rubbish "/pub" here"#, "/pub"),
            (r#"257 "/a ""quoted"" dir""#, r#"/a "quoted" dir"#),
            (r#"257 """""#, "\""),
            (r#"257 "C:/dir""#, "C:/dir"),
            (r#"257 "[A.B]""#, "[A.B]"),
            (r#"257 "QGPL" is current library"#, "QGPL"),
        ] {
            assert_eq!(directory(&reply(text)).as_deref(), Some(path.as_bytes()), "{text}");
        }
    }

    /// CVE-2017-1000254: a missing quote read past the end.
    #[test]
    fn what_can_not_be_read_is_nothing() {
        for text in ["257", "257 /pub", "257 \"", "257 \"/pub", "257 \"/pub\"\"", "257 \"\"", "257 \"/a\x1bb\""] {
            assert_eq!(directory(&reply(text)), None, "{text:?}");
        }
    }
}
