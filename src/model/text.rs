//! Text that came from elsewhere, made safe to show.

use serde::{Serialize, ser::Error};
use serde_json::ser::{CompactFormatter, Formatter};
use std::io;
use unicode_width::UnicodeWidthChar;

/// Marks without a width that may stand on one character: no script needs more, and a pile of them covers other lines.
const MARKS: usize = 8;

/// The text as it may be shown on a terminal or written to a log: control, direction-changing and invisible characters,
/// and marks piled up on one character, become `\u{..}` escapes, and what is longer than `limit` characters is cut with
/// an ellipsis.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    let mut marks = 0;
    for (count, c) in text.chars().enumerate() {
        if count >= limit {
            out.push('…');
            break;
        }
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if is_unprintable(c) || marks > MARKS {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The value as one line of JSON that is safe on a terminal: what [`printable`] would not show as it is stands as `\uXXXX`,
/// which is the same to whoever reads the JSON.
///
/// # Errors
/// When the value has no form in JSON.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    let mut line = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Plain(CompactFormatter)))?;
    String::from_utf8(line).map_err(serde_json::Error::custom)
}

/// JSON without the characters that drive terminals; those below a space are escaped by every writer.
struct Plain(CompactFormatter);

impl Formatter for Plain {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut marks = 0;
        let mut shown = 0;
        for (at, c) in fragment.char_indices() {
            marks = if c.width() == Some(0) { marks + 1 } else { 0 };
            if !(is_unprintable(c) || marks > MARKS) {
                continue;
            }
            self.0.write_string_fragment(writer, fragment.get(shown..at).unwrap_or_default())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            shown = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, fragment.get(shown..).unwrap_or_default())
    }
}

/// Characters that must not reach a terminal: controls (C0, DEL, C1), what reorders the text around it, and what is there
/// and can't be seen, by which two names look alike (Unicode TR 36, section 2.5, and TR 39).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || is_direction(c)
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{206A}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The text without what could be user information of a URL: all from the first `:` to the last `@` after it becomes
/// `***`. Takes too much rather than too little: it is for quoting a text that could not be understood.
#[must_use]
pub fn without_userinfo(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    match before.split_once(':') {
        // What stands before the colon may be the end of another password.
        Some((first, _)) if first.contains('@') => format!("***@{host}"),
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
    fn escapes_what_can_not_be_seen() {
        assert_eq!(printable("a\u{ad}b\u{e0041}c\u{fff9}d", 80), "a\\u{ad}b\\u{e0041}c\\u{fff9}d");
        let shown = printable(&format!("e{}x\u{301}", "\u{301}".repeat(1000)), 2000);
        assert_eq!(shown.matches('\u{301}').count(), MARKS + 1, "{shown}");
    }

    #[test]
    fn json_is_the_same_to_a_reader_and_safe_on_a_terminal() {
        let nasty = "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2028}\u{e0041}\"\\\t\u{10ffff}ü日本";
        let line = json_line(&serde_json::json!({ "k": nasty, "list": [nasty] })).unwrap();
        assert!(!line.chars().any(is_unprintable), "{line}");
        assert!(line.contains("\\u009b31m\\u202e\\u2028\\udb40\\udc41") && line.contains("ü日本"), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["k"], nasty);
    }

    #[test]
    fn user_information_is_taken_out_of_what_could_not_be_understood() {
        for (text, shown) in [
            ("ftp://u:hunter2@h/a", "ftp://***@h/a"),
            ("ftp//u:hunter2@h/a", "ftp//u:***@h/a"),
            ("u:hunt@er2@h", "u:***@h"),
            ("ftp://u:hunt er2@h ftp://v:w@h", "ftp://***@h"),
            ("hunter2@h/a|ftp://u:hunter2@h", "***@h"),
            ("a@b", "a@b"),
            ("plain: text", "plain: text"),
        ] {
            assert_eq!(without_userinfo(text), shown);
        }
    }
}
