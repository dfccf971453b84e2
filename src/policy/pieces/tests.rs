use super::*;

const MIB: u64 = 1024 * 1024;

fn span(start: u64, end: u64) -> Span {
    Span { start, end }
}

fn spans(list: &[(u64, u64)]) -> Vec<Span> {
    list.iter().map(|&(start, end)| span(start, end)).collect()
}

#[test]
fn an_idle_session_gets_the_larger_half_of_what_is_left_of_the_longest_piece() {
    let mut map = Pieces::new(100 * MIB, &[]);
    let first = map.take().unwrap();
    assert_eq!((first.start, first.at), (0, 0));
    assert!(map.advance(first.id, 20 * MIB + 1));
    let second = map.take().unwrap();
    // 80 MiB less a byte are left: the smaller half stays.
    assert_eq!(second.start, 60 * MIB);
    assert_eq!(map.room(first.id), Some(Room { bytes: 40 * MIB - 1, to_the_end: false }));
    assert_eq!(map.room(second.id), Some(Room { bytes: 40 * MIB, to_the_end: true }));
    let third = map.take().unwrap();
    assert_eq!(third.start, 80 * MIB);
    assert_eq!(map.take().unwrap().start, 40 * MIB);
}

#[test]
fn no_piece_gets_smaller_than_is_worth_a_connection() {
    let table =
        [(16 * MIB, 0, true), (16 * MIB - 1, 0, false), (100 * MIB, 84 * MIB, true), (100 * MIB, 85 * MIB, false)];
    for (size, at, divided) in table {
        let mut map = Pieces::new(size, &[]);
        let first = map.take().unwrap();
        map.advance(first.id, at);
        assert_eq!(map.openings() > 0, divided, "{size} {at}");
        assert_eq!(map.take().is_some(), divided, "{size} {at}");
    }
}

#[test]
fn slow_connections_get_smaller_pieces_and_fast_ones_never_larger() {
    for (rate, least) in [(0, MIB), (3 * MIB, 3 * MIB), (1_000 * MIB, LEAST_PIECE)] {
        let mut map = Pieces::new(40 * MIB, &[]);
        map.set_rate(rate);
        let first = map.take().unwrap();
        map.advance(first.id, 40 * MIB - 2 * least);
        let second = map.take().unwrap();
        assert_eq!((second.start, map.in_hands()), (40 * MIB - least, 2), "{rate}");
        assert_eq!(map.take(), None, "{rate}");
    }
}

#[test]
fn what_nobody_holds_goes_first() {
    let mut map = Pieces::new(100 * MIB, &spans(&[(0, MIB), (30 * MIB, 40 * MIB)]));
    assert_eq!(map.openings(), 2);
    let (a, b) = (map.take().unwrap(), map.take().unwrap());
    assert_eq!((a.start, a.at, b.start, b.at), (0, MIB, 30 * MIB, 40 * MIB));
    assert_eq!(map.room(a.id), Some(Room { bytes: 29 * MIB, to_the_end: false }));
    assert_eq!(map.room(b.id), Some(Room { bytes: 60 * MIB, to_the_end: true }));
}

#[test]
fn two_pieces_are_one_only_once_that_is_proved() {
    let mut map = Pieces::new(10 * MIB, &spans(&[(0, 4 * MIB), (4 * MIB, 10 * MIB)]));
    assert_eq!((map.contiguous(), map.is_whole(), map.total()), (4 * MIB, false, 10 * MIB));
    assert_eq!(map.held(), spans(&[(0, 4 * MIB), (4 * MIB, 10 * MIB)]));
    let piece = map.take().unwrap();
    assert_eq!((piece.start, piece.at), (0, 4 * MIB));
    assert_eq!(map.meet(piece.id, 16), Some(Meeting::Compare { at: 4 * MIB, bytes: 6 * MIB }));
    map.join(piece.id);
    assert!(map.is_whole());
    assert_eq!(map.held(), spans(&[(0, 10 * MIB)]));
    assert_eq!(map.take(), None);
}

#[test]
fn a_piece_waits_for_one_that_has_only_just_begun_and_takes_over_one_that_was_given_back() {
    let mut map = Pieces::new(32 * MIB, &[]);
    let (a, b) = (map.take().unwrap(), map.take().unwrap());
    map.advance(a.id, 16 * MIB);
    assert_eq!(map.meet(a.id, 16_384), Some(Meeting::Wait));
    map.advance(b.id, 100);
    assert_eq!(map.meet(a.id, 16_384), Some(Meeting::Wait));
    map.give_back(b.id);
    assert_eq!(map.meet(a.id, 16_384), Some(Meeting::Compare { at: 16 * MIB, bytes: 100 }));
    map.join(a.id);
    // What is left of it is anybody's.
    let c = map.take().unwrap();
    assert_eq!((c.start, c.at), (0, 16 * MIB + 100));
}

#[test]
fn an_empty_piece_that_is_given_back_leaves_no_trace() {
    let mut map = Pieces::new(32 * MIB, &[]);
    let (a, b) = (map.take().unwrap(), map.take().unwrap());
    map.give_back(b.id);
    assert_eq!(map.room(a.id), Some(Room { bytes: 32 * MIB, to_the_end: true }));
    assert_eq!(map.room(b.id), None);
    assert!(!map.advance(b.id, 5));
    // As one that was given back while the other stood at its end.
    let b = map.take().unwrap();
    map.advance(a.id, 16 * MIB);
    map.give_back(b.id);
    assert_eq!(map.meet(a.id, 1), Some(Meeting::GoOn));
}

#[test]
fn the_beginning_alone_can_be_kept() {
    let mut map = Pieces::new(32 * MIB, &spans(&[(0, 5), (10, 20)]));
    let (a, b) = (map.take().unwrap(), map.take().unwrap());
    map.keep_beginning();
    assert_eq!((map.held(), map.room(a.id), map.room(b.id)), (spans(&[(0, 5)]), None, None));
    assert_eq!(map.take().unwrap().at, 5);
}

#[test]
fn ranges_that_overlap_or_lie_beyond_the_file_are_cut() {
    type Ranges = &'static [(u64, u64)];
    let table: [(Ranges, Ranges); 6] = [
        (&[(5, 9), (0, 3)], &[(0, 3), (5, 9)]),
        (&[(0, 5), (3, 9)], &[(0, 5), (5, 9)]),
        (&[(0, 5), (1, 4)], &[(0, 5)]),
        (&[(90, 200)], &[(90, 100)]),
        (&[(100, 200), (7, 7), (9, 2)], &[]),
        (&[(2, 4), (2, 6)], &[(2, 4), (4, 6)]),
    ];
    for (given, held) in table {
        let mut map = Pieces::new(100, &spans(given));
        assert_eq!(map.held(), spans(held), "{given:?}");
        assert_eq!(map.end(), held.last().map_or(0, |&(_, end)| end), "{given:?}");
        while let Some(piece) = map.take() {
            let room = map.room(piece.id).unwrap();
            map.advance(piece.id, room.bytes);
            if matches!(map.meet(piece.id, 1), Some(Meeting::Compare { .. })) {
                map.join(piece.id);
            }
            map.give_back(piece.id);
        }
        assert!(map.is_whole(), "{given:?}: {map:?}");
    }
}

#[test]
fn a_block_that_repeats_itself_tells_little() {
    assert_eq!(variety(&[0; 16_384]), 1);
    let counted: Vec<u8> = (0..4096u32).flat_map(u32::to_le_bytes).collect();
    assert_eq!(variety(&counted), 256);
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Sessions come, work, fail and restart in any order: every byte is fetched once, none is fetched by two, and the map ends
/// whole. What was held at any moment can be read back from its ranges.
#[test]
fn any_order_of_events_ends_with_a_whole_file_in_which_each_byte_was_fetched_once() {
    for seed in 1..200 {
        let mut dice = Dice(seed * 0x9E37_79B9);
        let size = 1 + dice.below(200 * MIB);
        let mut map = Pieces::new(size, &[]);
        let mut fetched = 0;
        let mut hands: Vec<PieceId> = Vec::new();
        for step in 0.. {
            assert!(step < 100_000, "it does not end: {map:?}");
            if map.is_whole() {
                break;
            }
            match dice.below(10) {
                0 | 1 if hands.len() < 8 => hands.extend(map.take().map(|piece| piece.id)),
                2 if !hands.is_empty() && dice.below(4) == 0 => {
                    let at = usize::try_from(dice.below(hands.len() as u64)).unwrap();
                    map.give_back(hands.swap_remove(at));
                }
                // A crash: only the ranges are left.
                3 if dice.below(20) == 0 => {
                    hands.clear();
                    let again = Pieces::new(size, &map.held());
                    assert_eq!(again.held(), map.held());
                    map = again;
                }
                _ if hands.is_empty() => {}
                _ => {
                    let at = usize::try_from(dice.below(hands.len() as u64)).unwrap();
                    let id = hands[at];
                    let room = map.room(id).unwrap();
                    let bytes = (1 + dice.below(8 * MIB)).min(room.bytes);
                    map.advance(id, bytes);
                    fetched += bytes;
                    match map.room(id).unwrap() {
                        Room { bytes: 0, to_the_end: true } => map.give_back(hands.swap_remove(at)),
                        Room { bytes: 0, .. } => match map.meet(id, 16_384).unwrap() {
                            Meeting::Compare { at: from, bytes } => {
                                assert!(map.held().iter().any(|s| s.start == from && s.end == from + bytes), "{map:?}");
                                map.join(id);
                                hands.swap_remove(at);
                            }
                            Meeting::GoOn | Meeting::Wait => {}
                        },
                        Room { .. } => {}
                    }
                }
            }
            let held = map.held();
            assert_eq!(held.iter().map(|s| s.end - s.start).sum::<u64>(), map.total());
            assert!(held.windows(2).all(|two| two[0].end <= two[1].start), "{held:?}");
            assert_eq!(map.total(), fetched);
        }
        assert_eq!(fetched, size, "seed {seed}");
    }
}
