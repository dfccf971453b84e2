//! TLS, as a user asks for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Use of TLS (RFC 4217). What a URL's scheme demands, no setting takes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// As the URL's scheme says.
    #[default]
    Auto,
    /// None.
    Off,
    /// AUTH TLS is required.
    Explicit,
    /// TLS from the first byte.
    Implicit,
    /// AUTH TLS where the server offers it, else none: who sits on the line can take it away. In the settings file only.
    Prefer,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V13,
}

/// The public key that a server must show: the SHA-256 of its `SubjectPublicKeyInfo`, written `sha256//BASE64` as curl
/// writes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

impl Pin {
    const PREFIX: &'static str = "sha256//";

    /// The pin of a digest.
    #[must_use]
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.trim().strip_prefix(Self::PREFIX).and_then(decode).map(Self).ok_or_else(|| {
            format!(
                "{:?} is no pin; write sha256// and the 44 characters of a SHA-256 in base64",
                super::printable(text, 80)
            )
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Pins of which one has to fit; never empty. One text, with `;` between them, as curl writes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Pins(Vec<Pin>);

impl Pins {
    /// Most pins that may be given.
    const MOST: usize = 64;

    /// These pins; `None` where there are none.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new(mut pins: Vec<Pin>) -> Result<Option<Self>, String> {
        pins.sort_unstable();
        pins.dedup();
        match pins.len() {
            0 => Ok(None),
            1..=Self::MOST => Ok(Some(Self(pins))),
            more => Err(format!("{more} pins are too many; {} may be given", Self::MOST)),
        }
    }

    /// The pins.
    #[must_use]
    pub fn as_slice(&self) -> &[Pin] {
        &self.0
    }
}

impl FromStr for Pins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pins = text.split(';').map(str::parse).collect::<Result<Vec<Pin>, String>>()?;
        Self::new(pins)?.ok_or_else(|| "write a pin".to_owned())
    }
}

impl TryFrom<String> for Pins {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pins> for String {
    fn from(pins: Pins) -> Self {
        pins.to_string()
    }
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pin) in self.0.iter().enumerate() {
            write!(f, "{}{pin}", if at == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The base64 of a digest (RFC 4648, section 4).
fn encode(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(44);
    for chunk in digest.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * at)) & 63;
            text.extend(ALPHABET.get(index as usize).map(|&c| char::from(c)));
        }
    }
    while text.len() < 44 {
        text.push('=');
    }
    text
}

/// The digest of such a text, which has one spelling only.
fn decode(text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_suffix('=').filter(|letters| letters.len() == 43)?;
    let (mut digest, mut bits, mut count, mut filled) = ([0; 32], 0_u32, 0, 0);
    for letter in letters.bytes() {
        let value = ALPHABET.iter().position(|&c| c == letter).and_then(|at| u32::try_from(at).ok())?;
        (bits, count) = (bits << 6 | value, count + 6);
        if count >= 8 {
            count -= 8;
            *digest.get_mut(filled)? = u8::try_from(bits >> count & 0xff).ok()?;
            filled += 1;
        }
        bits &= (1 << count) - 1;
    }
    (filled == 32 && bits == 0).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_curl_writes_them() {
        // printf '' | openssl dgst -sha256 -binary | base64, and the same of "abc".
        let nothing = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let abc = "sha256//ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        for text in [nothing, abc] {
            assert_eq!(text.parse::<Pin>().unwrap().to_string(), text);
        }
        for last in 0..=255 {
            let mut digest = [last; 32];
            digest[31] = 255 - last;
            let pin = Pin::new(digest);
            assert_eq!(pin.to_string().parse::<Pin>(), Ok(pin));
        }
        let both = format!("{abc};{nothing};{abc}");
        assert_eq!(both.parse::<Pins>().unwrap().to_string(), format!("{abc};{nothing}"));
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let good = "sha256//ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        for bad in [
            String::new(),
            "sha256//".to_owned(),
            good.replace("sha256//", "sha1//"),
            good.replace("sha256//", ""),
            good.replace('=', ""),
            good.replace('=', "=="),
            // The same bytes in another spelling: bits behind the last byte.
            good.replace("a0=", "a1="),
            good.replace('+', "-"),
            good.replace("ung", "un"),
            format!("{good}A"),
        ] {
            assert!(bad.parse::<Pin>().is_err(), "{bad}");
            assert!(bad.parse::<Pins>().is_err(), "{bad}");
        }
        assert!(format!("{good};").parse::<Pins>().is_err());
        let many = (0..65).map(|n| Pin::new([n; 32])).collect();
        assert!(Pins::new(many).is_err());
        assert_eq!(Pins::new(Vec::new()), Ok(None));
    }
}
