//! How many files may be deleted here because they are gone elsewhere, before somebody is asked.

use std::fmt;
use std::str::FromStr;

/// So few are never too many, where nobody says otherwise.
const LEAST: u64 = 100;

/// The most files that a deletion may concern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteLimit {
    /// Half of those that are known; fewer than 100 are never too many.
    #[default]
    Half,
    /// So many.
    Files(u64),
    /// So many in a hundred of those that are known.
    Percent(u64),
}

/// What is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of files, and no share such as 20%")]
pub struct NoLimit(String);

impl DeleteLimit {
    /// Whether `gone` of `known` files are more than that.
    #[must_use]
    pub fn is_exceeded(self, gone: u64, known: u64) -> bool {
        match self {
            Self::Half => gone >= LEAST && gone > known / 2,
            Self::Files(most) => gone > most,
            Self::Percent(share) => u128::from(gone) * 100 > u128::from(known) * u128::from(share),
        }
    }
}

impl fmt::Display for DeleteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half => f.write_str("half of them"),
            Self::Files(most) => write!(f, "{most}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for DeleteLimit {
    type Err = NoLimit;

    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let (digits, is_share) = text.strip_suffix('%').map_or((text, false), |digits| (digits, true));
        let number: u64 = digits.parse().map_err(|_| NoLimit(text.to_owned()))?;
        if !is_share {
            return Ok(Self::Files(number));
        }
        if number <= 100 { Ok(Self::Percent(number)) } else { Err(NoLimit(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_limit_is_told_from_as_many() {
        for (limit, gone, known, exceeded) in [
            (DeleteLimit::Half, 99, 99, false),
            (DeleteLimit::Half, 100, 100, true),
            (DeleteLimit::Half, 100, 199, true),
            (DeleteLimit::Half, 100, 200, false),
            (DeleteLimit::Half, 300, 12_000, false),
            (DeleteLimit::Half, 6001, 12_000, true),
            (DeleteLimit::Files(3), 3, 4, false),
            (DeleteLimit::Files(3), 4, 4, true),
            (DeleteLimit::Files(0), 1, 4, true),
            (DeleteLimit::Percent(25), 1, 4, false),
            (DeleteLimit::Percent(24), 1, 4, true),
            (DeleteLimit::Percent(100), u64::MAX, u64::MAX, false),
            (DeleteLimit::Percent(0), 0, 4, false),
        ] {
            assert_eq!(limit.is_exceeded(gone, known), exceeded, "{limit:?}: {gone} of {known}");
        }
    }

    #[test]
    fn limits_are_numbers_or_shares() {
        assert_eq!("12".parse(), Ok(DeleteLimit::Files(12)));
        assert_eq!("0%".parse(), Ok(DeleteLimit::Percent(0)));
        for text in ["", "%", "-1", "101%", "1.5%", "many", "12 %"] {
            assert!(text.parse::<DeleteLimit>().is_err(), "{text}");
        }
    }
}
