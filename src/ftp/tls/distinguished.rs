//! Distinguished names (RFC 5280, section 4.1.2.4), as far as a person needs them.

/// Type of the common name (RFC 4519, section 2.3): 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
/// Type of the organization's name (RFC 4519, section 2.19): 2.5.4.10.
const ORGANIZATION: [u8; 3] = [0x55, 4, 10];

/// The common name in the contents of a distinguished name, else the organization's.
pub(super) fn name(contents: &[u8]) -> Option<String> {
    find(contents, &COMMON_NAME).or_else(|| find(contents, &ORGANIZATION))
}

fn find(mut sets: &[u8], wanted: &[u8]) -> Option<String> {
    loop {
        let (mut set, rest) = element(sets)?;
        sets = rest;
        while let Some((pair, others)) = element(set) {
            set = others;
            let Some((kind, value)) = element(pair) else { continue };
            if kind == wanted
                && let Some((text, _)) = element(value)
            {
                return Some(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
}

/// The contents of the first element, and what follows it (DER, X.690, section 8.1). Elements of more than 64 KiB have no
/// place in a name.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest.split_first_chunk().map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_found_wherever_it_stands() {
        let organization = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x0a\x0c\x02Or";
        let common = b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x13\x03Com";
        assert_eq!(name(&[organization.as_slice(), common].concat()).as_deref(), Some("Com"));
        assert_eq!(name(organization).as_deref(), Some("Or"));
        assert_eq!(name(b""), None);
    }

    /// A server sends what it likes.
    #[test]
    fn no_bytes_bring_it_down() {
        let good = b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x13\x03Com".to_vec();
        for at in 0..good.len() {
            for value in [0, 1, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = name(&bad);
                let _ = name(&bad[..at]);
            }
        }
        assert_eq!(name(b"\x31\x84\xff\xff\xff\xff"), None);
        assert_eq!(name(b"\x31\x82\xff\xffx"), None);
    }
}
