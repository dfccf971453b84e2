//! What is done with a file, and the map of one that comes in pieces.

use super::bytes::Bytes;
use ftpq::model::{Algorithm, Checksum, Existing, Expectation, Identity, Progress, Span, TransferType};
use ftpq::policy::{
    Difference, Facts, FinalFile, Meeting, OVERLAP, PieceId, Pieces, Plan, known_progress, plan, same_identity,
};

/// Plans and maps.
pub fn decisions(data: &[u8]) {
    let mut bytes = Bytes(data);
    if bytes.flag() { resume(&mut bytes) } else { pieces(&mut bytes) }
}

fn identity(bytes: &mut Bytes<'_>) -> Identity {
    const TIMES: [&str; 4] = ["20260102030405", "20260102030405.5", "20250102030405", "rubbish"];
    Identity {
        size: bytes.maybe(Bytes::length),
        modified: bytes.maybe(|b| TIMES[usize::from(b.below(4))].to_owned()),
        unique: bytes.maybe(|b| format!("u{}", b.below(2))),
    }
}

fn spans(bytes: &mut Bytes<'_>) -> Vec<Span> {
    (0..bytes.below(4)).map(|_| Span { start: bytes.length(), end: bytes.length() }).collect()
}

fn progress(bytes: &mut Bytes<'_>) -> Progress {
    Progress {
        identity: identity(bytes),
        durable: bytes.length(),
        boot_id: if bytes.flag() { "this".to_owned() } else { "other".to_owned() },
        ranges: spans(bytes),
        durable_ranges: spans(bytes),
        source: None,
        wrong: 0,
    }
}

/// Nothing is continued that is not known to be the beginning of the server's file, never beyond what is there, and never
/// where the user forbids it; nothing is taken over that was not compared.
fn resume(bytes: &mut Bytes<'_>) {
    let remote = identity(bytes);
    let checksum = bytes.maybe(|b| Checksum::new(Algorithm::Md5, vec![b.byte(); 16]).unwrap());
    let expect = Expectation { size: bytes.maybe(Bytes::length), checksum, pieces: None };
    let (record, label) = (bytes.maybe(progress), bytes.maybe(progress));
    let progress = known_progress(record.as_ref(), label.as_ref(), "this");
    let final_file = bytes.maybe(|b| FinalFile {
        size: b.length(),
        modified: b.maybe(|b| i64::try_from(b.length()).unwrap_or(1_767_323_045)),
        digest_matches: b.maybe(Bytes::flag),
        bytes_match: b.maybe(Bytes::flag),
    });
    let existing =
        [Existing::Check, Existing::Resume, Existing::Overwrite, Existing::Skip, Existing::Error, Existing::Backup]
            [usize::from(bytes.below(6))];
    let facts = Facts {
        remote: &remote,
        expect: &expect,
        has_digest: expect.checksum.is_some(),
        final_file,
        own: bytes.maybe(|b| [Difference::None, Difference::Doubt, Difference::Content][usize::from(b.below(3))]),
        part: bytes.maybe(Bytes::length),
        progress: progress.as_ref(),
        begun_with: None,
        boot_id: "this",
        existing,
        resume: bytes.flag(),
        kind: if bytes.flag() { TransferType::Image } else { TransferType::Ascii },
        no_rest: bytes.flag(),
    };
    let plan = plan(&facts);
    let length = facts.part.unwrap_or(0);
    match &plan {
        Plan::Adopt { note } => {
            assert!(facts.final_file.is_some() && !note.is_empty(), "{facts:?}");
            let checked = facts.final_file.is_some_and(|found| found.digest_matches == Some(true));
            let known = facts.own == Some(Difference::Content) && !checked;
            assert!(!known, "adopted though it differs: {facts:?}");
            assert!(expect.checksum.is_none() || checked, "not compared: {facts:?}");
        }
        Plan::LeaveAlone => assert!(facts.final_file.is_some() && existing == Existing::Skip, "{facts:?}"),
        Plan::Compare => assert!(facts.final_file.is_some_and(|found| found.digest_matches.is_none()), "{facts:?}"),
        Plan::Sample => assert!(facts.final_file.is_some_and(|found| found.bytes_match.is_none()), "{facts:?}"),
        Plan::TakeOver => assert_eq!(existing, Existing::Resume, "{facts:?}"),
        Plan::Finish => {
            continued(&facts);
            assert!(length >= size(&facts), "{facts:?}");
        }
        Plan::Resume { from, have, .. } => {
            continued(&facts);
            assert!(from < have && *have <= length && *have < size(&facts), "{plan:?} {facts:?}");
            assert!(*from == 0 || have - from == OVERLAP, "{plan:?}");
            assert!(!facts.no_rest || *from == 0, "{plan:?}");
        }
        Plan::Patch { held, .. } => {
            continued(&facts);
            assert!(!facts.no_rest, "{facts:?}");
            assert!(
                !held.is_empty() && held.iter().all(|span| span.start < span.end && span.end <= length),
                "{plan:?}"
            );
            assert!(held.iter().all(|span| span.end <= size(&facts)), "{plan:?}");
            let map = Pieces::new(size(&facts), held);
            assert!(map.total() <= size(&facts));
        }
        Plan::Fresh { .. } => {}
        Plan::Refuse(failure) => super::assert_shown(&failure.to_string()),
    }
}

fn size(facts: &Facts<'_>) -> u64 {
    ftpq::policy::expected_size(facts.remote, facts.expect).unwrap_or(u64::MAX)
}

/// What has to hold wherever bytes of a part file are kept.
fn continued(facts: &Facts<'_>) {
    assert!(facts.resume && facts.kind == TransferType::Image, "{facts:?}");
    let progress = facts.progress.expect("what the part file is the beginning of");
    assert!(same_identity(&progress.identity, facts.remote), "{facts:?}");
    // A list may name a length that no file has.
    let known = ftpq::policy::expected_size(facts.remote, facts.expect);
    assert!(known.is_some_and(|size| size != 0) || facts.remote.size.is_some(), "{facts:?}");
}

/// A map against the bytes themselves: its segments cover the file, what it says is held was brought, and no byte is in
/// two hands.
fn pieces(bytes: &mut Bytes<'_>) {
    // A unit of a MiB, so that pieces can be divided.
    const MIB: u64 = 1 << 20;
    let size = u64::from(bytes.byte()) * MIB / 2 + u64::from(bytes.byte());
    let held: Vec<Span> = (0..bytes.below(4))
        .map(|_| Span { start: u64::from(bytes.byte()) * MIB / 2, end: u64::from(bytes.byte()) * MIB / 2 + 3 })
        .collect();
    let mut map = Pieces::new(size, &held);
    map.set_rate(u64::from(bytes.byte()) << 16);
    let mut hands: Vec<PieceId> = Vec::new();
    let mut steps = 0;
    while !bytes.is_empty() && steps < 512 {
        steps += 1;
        let id = hands.get(usize::from(bytes.byte()) % hands.len().max(1)).copied();
        let (before, contiguous) = (map.total(), map.contiguous());
        match (bytes.below(8), id) {
            (0 | 1, _) => {
                if let Some(piece) = map.take() {
                    assert!(!hands.contains(&piece.id) && piece.start <= piece.at && piece.at <= size);
                    hands.push(piece.id);
                }
                assert_eq!((map.total(), map.contiguous()), (before, contiguous), "taking brings nothing");
            }
            (2 | 3, Some(id)) => {
                let room = map.room(id).map_or(0, |room| room.bytes);
                let brought = u64::from(bytes.byte()) * MIB / 4;
                map.advance(id, brought);
                assert_eq!(map.total(), before + brought.min(room), "no more than there is room for");
            }
            (4, Some(id)) => {
                let at = map.position(id).unwrap_or(0);
                map.rewind(id, at.saturating_sub(u64::from(bytes.byte()) * MIB / 8));
                assert!(map.total() <= before);
            }
            (5, Some(id)) => match map.meet(id, MIB) {
                Some(Meeting::Compare { at, bytes }) => {
                    assert!(bytes > 0 && map.position(id) == Some(at), "compared where it does not stand");
                    map.join(id);
                    assert_eq!(map.total(), before, "joining brings nothing");
                }
                _ => assert_eq!(map.total(), before),
            },
            (6, Some(id)) => {
                map.give_back(id);
                assert_eq!(map.total(), before, "what is held stays");
            }
            (7, _) if bytes.below(8) == 0 => {
                map.keep_beginning();
                assert_eq!(map.contiguous(), contiguous);
            }
            _ => {}
        }
        hands.retain(|&id| map.position(id).is_some());
        sound(&map, size, &hands);
    }
}

fn sound(map: &Pieces, size: u64, hands: &[PieceId]) {
    let held = map.held();
    assert!(held.iter().all(|span| span.start < span.end && span.end <= size), "{map:?}");
    assert!(held.windows(2).all(|two| two[0].end <= two[1].start), "{map:?}");
    assert_eq!(held.iter().map(|span| span.end - span.start).sum::<u64>(), map.total(), "{map:?}");
    assert!(map.contiguous() <= map.end().max(map.contiguous()) && map.end() <= size && map.total() <= size, "{map:?}");
    assert_eq!(map.is_whole(), map.contiguous() == size, "{map:?}");
    assert_eq!(map.in_hands(), hands.len() as u64, "{map:?}");
    let mut places: Vec<u64> = hands.iter().filter_map(|&id| map.position(id)).collect();
    let mut rooms: Vec<(u64, u64)> =
        hands.iter().filter_map(|&id| Some((map.position(id)?, map.room(id)?.bytes))).collect();
    rooms.sort_unstable();
    places.sort_unstable();
    assert!(rooms.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0), "two hands at one byte: {map:?}");
    // What is missing is in a piece: nothing gets lost.
    let again = Pieces::new(size, &held);
    assert_eq!((again.total(), again.held()), (map.total(), held), "{map:?}");
}
