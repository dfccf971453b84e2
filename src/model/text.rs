//! Text that came from elsewhere, made safe to show.

/// The text as it may be shown on a terminal or written to a log: control and direction-changing characters
/// become `\u{..}` escapes, and what is longer than `limit` characters is cut with an ellipsis.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (count, c) in text.chars().enumerate() {
        if count >= limit {
            out.push('…');
            break;
        }
        if c.is_control() || is_direction(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The text without what could be user information of a URL: all from the first `:` to the last `@` after it becomes
/// `***`. Takes too much rather than too little: it is for quoting a text that could not be understood.
#[must_use]
pub fn without_userinfo(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    match before.split_once(':') {
        Some((scheme, rest)) if rest.starts_with("//") => format!("{scheme}://***@{host}"),
        Some((user, _)) => format!("{user}:***@{host}"),
        None => text.to_owned(),
    }
}

/// Characters that reorder or hide what stands around them.
pub(crate) fn is_direction(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_drive_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\u{9b}", 80), "a\\u{1b}[2Jb\\u{202e}c\\u{9b}");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("grün ✓", 80), "grün ✓");
    }

    #[test]
    fn user_information_is_taken_out_of_what_could_not_be_understood() {
        for (text, shown) in [
            ("ftp://u:hunter2@h/a", "ftp://***@h/a"),
            ("ftp//u:hunter2@h/a", "ftp//u:***@h/a"),
            ("u:hunt@er2@h", "u:***@h"),
            ("ftp://u:hunt er2@h ftp://v:w@h", "ftp://***@h"),
            ("a@b", "a@b"),
            ("plain: text", "plain: text"),
        ] {
            assert_eq!(without_userinfo(text), shown);
        }
    }
}
