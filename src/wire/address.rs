//! Addresses in 227 and 229. Only the port is ever used: where the data connection goes is the control
//! connection's own peer, whatever the reply says (CVE-2020-8284, CVE-2021-4189, CVE-2021-37533).

use super::reply::Reply;
use std::net::Ipv4Addr;

/// The address and port of a 227 reply (RFC 959, section 4.1.2): six numbers from 0 to 255 anywhere in its text,
/// as RFC 1123, section 4.1.2.6 asks.
#[must_use]
pub fn passive_address(reply: &Reply) -> Option<(Ipv4Addr, u16)> {
    let text = reply.last_line();
    let mut before = b' ';
    for (at, &byte) in text.iter().enumerate() {
        let starts = byte.is_ascii_digit() && !before.is_ascii_digit() && !matches!(before, b',' | b'-' | b'.');
        if starts && let Some(numbers) = six_numbers(text.get(at..)?) {
            let [a, b, c, d, high, low] = numbers;
            let port = u16::from_be_bytes([high?, low?]);
            return (port > 0).then_some((Ipv4Addr::new(a?, b?, c?, d?), port));
        }
        before = byte;
    }
    None
}

/// Six numbers, should they start here; nothing for one that is out of range, or followed by a seventh.
fn six_numbers(text: &[u8]) -> Option<[Option<u8>; 6]> {
    let mut rest = text;
    let mut numbers = [None; 6];
    for (at, slot) in numbers.iter_mut().enumerate() {
        if at > 0 {
            rest = after_comma(rest)?;
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, after) = rest.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
        *slot = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        rest = after;
    }
    let seventh = after_comma(rest).is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit));
    Some(if seventh { [None; 6] } else { numbers })
}

fn after_comma(text: &[u8]) -> Option<&[u8]> {
    Some(text.trim_ascii_start().strip_prefix(b",")?.trim_ascii_start())
}

/// The port of a 229 reply (RFC 2428, section 3): `(<d><d><d>port<d>)` with any delimiter. Network fields that are
/// not empty would name another host, and make the reply void.
#[must_use]
pub fn extended_passive_port(reply: &Reply) -> Option<u16> {
    let text = reply.last_line();
    let inside = text.iter().position(|&b| b == b'(').and_then(|at| text.get(at + 1..));
    match inside {
        Some(inside) => delimited_port(inside),
        None => (0..text.len()).find_map(|at| delimited_port(text.get(at..)?)),
    }
}

fn delimited_port(text: &[u8]) -> Option<u16> {
    let (&[d, second, third], rest) = text.split_first_chunk::<3>()?;
    if !d.is_ascii_graphic() || d.is_ascii_digit() || second != d || third != d {
        return None;
    }
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let port: u16 = std::str::from_utf8(number).ok()?.parse().ok()?;
    (rest.first() == Some(&d) && port > 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn finds_six_numbers_in_any_wording() {
        for text in [
            "227 Entering Passive Mode (10,0,0,2,18,52)",
            "227 Entering Passive Mode (10,0,0,2,18,52).",
            "227 Entering Passive Mode 10,0,0,2,18,52",
            "227 passively listen to 10, 0, 0, 2, 18, 52 now",
            "227 =10,0,0,2,18,52",
            "227 mode 2 of 3 (010,000,000,002,018,052)",
            "227-note\r\n227 (10,0,0,2,18,52)",
        ] {
            assert_eq!(passive_address(&reply(text)), Some((Ipv4Addr::new(10, 0, 0, 2), 4660)), "{text}");
        }
    }

    #[test]
    fn refuses_six_numbers_that_are_no_address() {
        for text in [
            "227 Entering Passive Mode (256,0,0,2,18,52)",
            "227 Entering Passive Mode (10,0,0,2,274,52)",
            "227 Entering Passive Mode (10,0,0,2,0,0)",
            "227 Entering Passive Mode (10,0,0,2,18,520)",
            "227 Entering Passive Mode (10,0,0,2,18,52,7)",
            "227 Entering Passive Mode (10,0,0,2,18)",
            "227 Entering Passive Mode (10,0,0,2,18,)",
            "227 Entering Passive Mode (10,0,0,-2,18,52)",
            "227 Entering Passive Mode (99999999999999999999,0,0,2,18,52)",
            "227 ok",
        ] {
            assert_eq!(passive_address(&reply(text)), None, "{text}");
        }
    }

    #[test]
    fn finds_the_extended_port_behind_any_delimiter() {
        for text in [
            "229 Entering Extended Passive Mode (|||6446|)",
            "229 Entering Extended Passive Mode (!!!6446!).",
            "229 Entering Extended Passive Mode |||6446|",
            "229 (|||06446|)",
        ] {
            assert_eq!(extended_passive_port(&reply(text)), Some(6446), "{text}");
        }
    }

    #[test]
    fn an_extended_reply_can_not_name_another_host() {
        for text in [
            "229 Entering Extended Passive Mode (|1|10.0.0.9|6446|)",
            "229 Entering Extended Passive Mode (|||0|)",
            "229 Entering Extended Passive Mode (|||65536|)",
            "229 Entering Extended Passive Mode (|||-1|)",
            "229 Entering Extended Passive Mode (||6446|)",
            "229 Entering Extended Passive Mode (|||6446)",
            "229 Entering Extended Passive Mode (11164461)",
            "229 ok",
        ] {
            assert_eq!(extended_passive_port(&reply(text)), None, "{text}");
        }
    }
}
