//! Numbers of jobs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a job: given once, in order of acceptance, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of job numbers, kept as sorted ranges so that a million consecutive jobs cost one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct IdSet {
    /// Inclusive ranges, ascending, neither touching nor overlapping.
    ranges: Vec<(u64, u64)>,
}

impl IdSet {
    /// Adds one number. Cheap near the end of the set.
    pub fn insert(&mut self, id: JobId) {
        self.insert_range(id, id);
    }

    /// Adds all numbers from `first` to `last`, both included; nothing when `last` is smaller.
    pub fn insert_range(&mut self, first: JobId, last: JobId) {
        let (low, high) = (first.0, last.0);
        if low > high {
            return;
        }
        let at = self.ranges.partition_point(|&(_, end)| end.saturating_add(1) < low);
        let to = self.ranges.partition_point(|&(start, _)| start <= high.saturating_add(1));
        let touched = self.ranges.get(at..to).unwrap_or_default();
        let low = touched.first().map_or(low, |&(start, _)| start.min(low));
        let high = touched.last().map_or(high, |&(_, end)| end.max(high));
        self.ranges.splice(at..to, [(low, high)]);
    }

    /// Adds all numbers of another set.
    pub fn extend(&mut self, other: &Self) {
        let mut all: Vec<(u64, u64)> = self.ranges.iter().chain(&other.ranges).copied().collect();
        all.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.ranges.len() + 1);
        for (low, high) in all {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        self.ranges = merged;
    }

    /// Whether the number is in the set.
    #[must_use]
    pub fn contains(&self, id: JobId) -> bool {
        let at = self.ranges.partition_point(|&(_, high)| high < id.0);
        self.ranges.get(at).is_some_and(|&(low, _)| low <= id.0)
    }

    /// Whether any number from `first` to `last` is in the set.
    #[must_use]
    pub fn touches(&self, first: JobId, last: JobId) -> bool {
        let at = self.ranges.partition_point(|&(_, high)| high < first.0);
        self.ranges.get(at).is_some_and(|&(low, _)| low <= last.0)
    }

    /// The numbers of the set that are higher than `after`.
    #[must_use]
    pub fn above(&self, after: JobId) -> Self {
        let at = self.ranges.partition_point(|&(_, high)| high <= after.0);
        let mut ranges = self.ranges.get(at..).unwrap_or_default().to_vec();
        if let Some(first) = ranges.first_mut() {
            // Not past the end: what is left of the range holds a higher number.
            first.0 = first.0.max(after.0.saturating_add(1));
        }
        Self { ranges }
    }

    /// The first `most` numbers of the set that are higher than `after`.
    #[must_use]
    pub fn next(&self, after: JobId, most: u64) -> Self {
        let at = self.ranges.partition_point(|&(_, high)| high <= after.0);
        let (mut ranges, mut left) = (Vec::new(), most);
        for &(low, high) in self.ranges.get(at..).unwrap_or_default() {
            let Some(more) = left.checked_sub(1) else { break };
            let low = low.max(after.0.saturating_add(1));
            let high = high.min(low.saturating_add(more));
            ranges.push((low, high));
            left = more - (high - low);
        }
        Self { ranges }
    }

    /// The numbers of this set that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len());
        for &(mut low, high) in &self.ranges {
            let at = other.ranges.partition_point(|&(_, end)| end < low);
            let holes = other.ranges.get(at..).unwrap_or_default().iter().take_while(|&&(start, _)| start <= high);
            let mut is_over = false;
            for &(start, end) in holes {
                if start > low {
                    ranges.push((low, start - 1));
                }
                is_over = end >= high;
                low = end.saturating_add(1);
            }
            if !is_over {
                ranges.push((low, high));
            }
        }
        Self { ranges }
    }

    /// How many numbers the set holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(low, high)| high - low + 1).sum()
    }

    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The inclusive ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (JobId, JobId)> + '_ {
        self.ranges.iter().map(|&(low, high)| (JobId(low), JobId(high)))
    }
}

impl FromIterator<JobId> for IdSet {
    fn from_iter<I: IntoIterator<Item = JobId>>(ids: I) -> Self {
        let mut sorted: Vec<u64> = ids.into_iter().map(|id| id.0).collect();
        sorted.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for id in sorted {
            match ranges.last_mut() {
                Some(last) if id <= last.1.saturating_add(1) => last.1 = last.1.max(id),
                _ => ranges.push((id, id)),
            }
        }
        Self { ranges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_merge_and_gaps_stay() {
        let mut set: IdSet = [3, 1, 2, 9].into_iter().map(JobId).collect();
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(JobId(1), JobId(3)), (JobId(9), JobId(9))]);
        set.insert_range(JobId(4), JobId(8));
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(JobId(1), JobId(9))]);
        let mut gaps = set.clone();
        gaps.insert(JobId(20));
        assert_eq!(gaps.above(JobId(4)).ranges().collect::<Vec<_>>(), [(JobId(5), JobId(9)), (JobId(20), JobId(20))]);
        assert_eq!(gaps.above(JobId(9)).ranges().collect::<Vec<_>>(), [(JobId(20), JobId(20))]);
        assert!(gaps.above(JobId(20)).is_empty() && gaps.above(JobId(u64::MAX)).is_empty());
        let next = |after, most| gaps.next(JobId(after), most).ranges().map(|(a, b)| (a.0, b.0)).collect::<Vec<_>>();
        assert_eq!((next(0, 3), next(3, 8)), (vec![(1, 3)], vec![(4, 9), (20, 20)]));
        assert_eq!((next(8, 1), next(9, 5), next(20, 5), next(0, 0)), (vec![(9, 9)], vec![(20, 20)], vec![], vec![]));
        let without = |ids: &[u64]| {
            let other = ids.iter().copied().map(JobId).collect();
            gaps.without(&other).ranges().map(|(a, b)| (a.0, b.0)).collect::<Vec<_>>()
        };
        assert_eq!((without(&[]), without(&[1, 9, 20])), (vec![(1, 9), (20, 20)], vec![(2, 8)]));
        assert_eq!(without(&[0, 3, 5, 6, 10, 19, 21]), [(1, 2), (4, 4), (7, 9), (20, 20)]);
        assert_eq!(without(&(0..=20).collect::<Vec<_>>()), []);
        assert!(set.contains(JobId(5)) && !set.contains(JobId(10)) && !set.contains(JobId(0)));
        assert!(set.touches(JobId(9), JobId(20)) && !set.touches(JobId(10), JobId(20)));
        assert_eq!(set.len(), 9);
        set.extend(&[0, 10, 12, 13].into_iter().map(JobId).collect());
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(JobId(0), JobId(10)), (JobId(12), JobId(13))]);
    }
}
