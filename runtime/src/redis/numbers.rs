//! Numbers of logical databases.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{Error, Result};

/// Numbers that a process has claimed on a server of ours.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// No test has had these.
    pub(super) fresh: Vec<i64>,
    /// Tests of this process have had these; the one that was released first comes first.
    pub(super) used: VecDeque<i64>,
    /// A test has these.
    pub(super) taken: HashSet<i64>,
    /// The tests of numbers for which the server does not know them yet.
    pub(super) unnoted: HashMap<i64, String>,
}

impl Numbers {
    /// Notes that a number was used last.
    pub(super) fn note_use(&mut self, number: i64) {
        self.used.retain(|used| *used != number);
        self.used.push_back(number);
    }
}

/// Returns the databases that a user has named for tests, such as `8-15` or `3,5`.
pub(super) fn named(text: &str) -> Result<Vec<i64>> {
    let wrong = || {
        Error::new("read CONTAINER_TEST_REDIS_DATABASES")
            .because(format!("`{text}` names no logical databases"))
            .with_help("write numbers and ranges, such as `8-15` or `3,5,8-11`")
    };
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: i64 = first.trim().parse().map_err(|_| wrong())?;
        let last: i64 = last.trim().parse().map_err(|_| wrong())?;
        if first < 0 || last < first || last - first > 1_000_000 {
            return Err(wrong());
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_named_by_numbers_and_ranges() {
        assert_eq!(named("8-11").ok(), Some(vec![8, 9, 10, 11]));
        assert_eq!(named("3, 5,7-8").ok(), Some(vec![3, 5, 7, 8]));
        for wrong in ["", "a", "5-3", "-1", "1-", "0-99999999"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
