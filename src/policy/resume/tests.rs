use super::*;

const BOOT: &str = "boot-a";

fn identity(size: u64, time: &str) -> Identity {
    Identity { size: Some(size), modified: Some(time.to_owned()), unique: None }
}

fn progress(size: u64, durable: u64, boot: &str) -> Progress {
    Progress { identity: identity(size, "20260101000000"), durable, boot_id: boot.to_owned(), ..Progress::default() }
}

struct Case {
    remote: Identity,
    expect: Expectation,
    final_file: Option<FinalFile>,
    own: Option<Difference>,
    part: Option<u64>,
    progress: Option<Progress>,
    begun_with: Option<crate::model::Source>,
    existing: Existing,
    resume: bool,
    kind: TransferType,
    no_rest: bool,
}

fn case() -> Case {
    Case {
        remote: identity(100_000, "20260101000000"),
        expect: Expectation::default(),
        final_file: None,
        own: None,
        part: None,
        progress: None,
        begun_with: None,
        existing: Existing::Check,
        resume: true,
        kind: TransferType::Image,
        no_rest: false,
    }
}

impl Case {
    fn plan(&self) -> Plan {
        plan(&Facts {
            remote: &self.remote,
            expect: &self.expect,
            has_digest: self.expect.checksum.is_some(),
            final_file: self.final_file,
            own: self.own,
            part: self.part,
            progress: self.progress.as_ref(),
            begun_with: self.begun_with.as_ref(),
            boot_id: BOOT,
            existing: self.existing,
            resume: self.resume,
            kind: self.kind,
            no_rest: self.no_rest,
        })
    }
}

fn there(size: u64, modified: Option<i64>) -> FinalFile {
    FinalFile { size, modified, digest_matches: None, bytes_match: None }
}

const TIME: i64 = 1_767_225_600; // 2026-01-01 00:00:00 UTC

#[test]
fn nothing_there_starts_at_zero() {
    assert_eq!(case().plan(), Plan::Fresh { why: None, set_aside: false });
    assert_eq!(Case { part: Some(0), ..case() }.plan(), Plan::Fresh { why: None, set_aside: false });
}

#[test]
fn in_the_same_boot_the_part_files_length_counts() {
    let plan = Case { part: Some(50_000), progress: Some(progress(100_000, 0, BOOT)), ..case() }.plan();
    assert_eq!(plan, Plan::Resume { from: 50_000 - OVERLAP, have: 50_000, why: None });
}

#[test]
fn after_a_machine_crash_only_durable_bytes_count_and_the_loss_is_explained() {
    let plan = Case { part: Some(50_000), progress: Some(progress(100_000, 20_000, "boot-b")), ..case() }.plan();
    let Plan::Resume { from, have, why } = plan else { panic!("{plan:?}") };
    assert_eq!((from, have), (20_000 - OVERLAP, 20_000));
    assert!(why.unwrap().contains("30000 bytes"));
    let plan = Case { part: Some(50_000), progress: Some(progress(100_000, 0, "boot-b")), ..case() }.plan();
    assert!(matches!(plan, Plan::Fresh { why: Some(_), set_aside: false }), "{plan:?}");
    // A part file shorter than what was durable: somebody cut it; what is left is the beginning still.
    let plan = Case { part: Some(10_000), progress: Some(progress(100_000, 20_000, "boot-b")), ..case() }.plan();
    assert_eq!(plan, Plan::Resume { from: 0, have: 10_000, why: None });
}

#[test]
fn a_changed_file_starts_again_and_says_what_changed() {
    for (remote, word) in [(identity(100_001, "20260101000000"), "size"), (identity(100_000, "20260101000001"), "time")]
    {
        let plan = Case { remote, part: Some(50_000), progress: Some(progress(100_000, 0, BOOT)), ..case() }.plan();
        let Plan::Fresh { why: Some(why), set_aside: true } = &plan else { panic!("{plan:?}") };
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn all_bytes_there_are_not_fetched_again() {
    let plan = Case { part: Some(100_000), progress: Some(progress(100_000, 0, BOOT)), ..case() }.plan();
    assert_eq!(plan, Plan::Finish);
    let plan = Case { part: Some(100_000), progress: Some(progress(100_000, 100_000, "boot-b")), ..case() }.plan();
    assert_eq!(plan, Plan::Finish);
}

#[test]
fn a_server_without_rest_is_read_again_and_compared() {
    let plan = Case { part: Some(50_000), progress: Some(progress(100_000, 0, BOOT)), no_rest: true, ..case() }.plan();
    assert!(matches!(plan, Plan::Resume { from: 0, have: 50_000, why: Some(_) }), "{plan:?}");
}

#[test]
fn without_record_size_or_leave_the_part_file_starts_again() {
    let known = Some(progress(100_000, 0, BOOT));
    for lost in [
        Case { part: Some(5), ..case() },
        Case { part: Some(5), progress: known.clone(), resume: false, ..case() },
        Case { part: Some(5), progress: known.clone(), kind: TransferType::Ascii, ..case() },
        Case { part: Some(5), progress: known.clone(), remote: Identity::default(), ..case() },
        Case { part: Some(100_001), progress: known, ..case() },
    ] {
        let plan = lost.plan();
        assert!(matches!(plan, Plan::Fresh { why: Some(_), .. }), "{plan:?}");
    }
}

#[test]
fn a_file_that_matches_is_done_without_a_download() {
    assert!(matches!(Case { final_file: Some(there(100_000, Some(TIME))), ..case() }.plan(), Plan::Adopt { .. }));
    let remote = Identity { size: Some(100_000), ..Identity::default() };
    // Without a time the length alone proves nothing.
    let judged = |bytes_match| {
        let found = FinalFile { bytes_match, ..there(100_000, Some(5)) };
        Case { remote: remote.clone(), final_file: Some(found), ..case() }.plan()
    };
    assert_eq!(judged(None), Plan::Sample);
    assert!(matches!(judged(Some(true)), Plan::Adopt { .. }));
    assert!(matches!(judged(Some(false)), Plan::Refuse(failure) if failure.cause == Cause::Exists));
}

#[test]
fn a_file_that_differs_is_never_touched_unasked() {
    for file in [there(100_000, Some(TIME + 1)), there(99_999, Some(TIME)), there(100_001, Some(TIME))].map(Some) {
        for existing in [Existing::Check, Existing::Error] {
            let plan = Case { final_file: file, existing, ..case() }.plan();
            assert!(matches!(&plan, Plan::Refuse(f) if f.cause == Cause::Exists && f.advice.is_some()), "{plan:?}");
        }
        let plan = Case { final_file: file, existing: Existing::Overwrite, ..case() }.plan();
        assert!(matches!(plan, Plan::Fresh { .. }), "{plan:?}");
        let plan = Case { final_file: file, existing: Existing::Skip, ..case() }.plan();
        assert_eq!(plan, Plan::LeaveAlone);
    }
}

/// A kill between the rename and the settled job leaves a final file and a record of it: that file is ours.
#[test]
fn a_file_of_our_own_is_recognized_after_a_crash_even_where_any_file_is_an_error() {
    let mut job = Case { final_file: Some(there(100_000, Some(TIME))), existing: Existing::Error, ..case() };
    assert!(matches!(job.plan(), Plan::Refuse(_)));
    job.progress = Some(progress(100_000, 0, BOOT));
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
    job.part = Some(5);
    assert!(matches!(job.plan(), Plan::Refuse(_)));
}

/// With a record and no part file it may be this job's own, named just before a crash.
#[test]
fn a_file_that_is_to_be_skipped_is_compared_where_it_may_be_our_own() {
    let mut job = Case { final_file: Some(there(100_000, Some(TIME))), existing: Existing::Skip, ..case() };
    assert_eq!(job.plan(), Plan::LeaveAlone);
    job.progress = Some(progress(100_000, 0, BOOT));
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
    job.final_file = Some(there(100_000, Some(TIME + 5)));
    assert_eq!(job.plan(), Plan::LeaveAlone, "somebody put another one there");
    job.remote.modified = None;
    assert_eq!(job.plan(), Plan::Sample);
    job.part = Some(5);
    assert_eq!(job.plan(), Plan::LeaveAlone);
}

/// Of a file that this job put there, what can't be told of it is found out, though other files are an error.
#[test]
fn a_file_of_our_own_is_compared_where_other_files_are_an_error() {
    let own = Case {
        final_file: Some(there(100_000, Some(TIME))),
        existing: Existing::Error,
        own: Some(Difference::Doubt),
        ..case()
    };
    assert_eq!(own.plan(), Plan::Sample);
    let lines = Case { kind: TransferType::Ascii, ..own };
    assert!(matches!(lines.plan(), Plan::Refuse(_)), "the bytes of TYPE A are not compared");
}

#[test]
fn the_error_for_a_shorter_file_names_the_way_out() {
    let plan = Case { final_file: Some(there(99_999, Some(TIME))), ..case() }.plan();
    assert!(matches!(&plan, Plan::Refuse(f) if f.advice.as_deref().unwrap().contains("--existing resume")), "{plan:?}");
    let plan = Case { final_file: Some(there(100_001, Some(TIME))), ..case() }.plan();
    assert!(
        matches!(&plan, Plan::Refuse(f) if !f.advice.as_deref().unwrap().contains("--existing resume")),
        "{plan:?}"
    );
}

#[test]
fn a_shorter_file_of_another_tool_is_taken_over_on_request() {
    let mut job = Case { final_file: Some(there(50_000, Some(5))), existing: Existing::Resume, ..case() };
    assert_eq!(job.plan(), Plan::TakeOver);
    (job.final_file, job.part, job.progress) = (None, Some(50_000), Some(progress(100_000, 0, BOOT)));
    assert_eq!(job.plan(), Plan::Resume { from: 50_000 - OVERLAP, have: 50_000, why: None });
    let longer = Case { final_file: Some(there(100_001, Some(5))), existing: Existing::Resume, ..case() };
    assert!(matches!(longer.plan(), Plan::Refuse(_)));
}

#[test]
fn a_checksum_decides_over_a_file_that_is_there() {
    let expect =
        Expectation { checksum: Some(format!("md5={}", "0".repeat(32)).parse().unwrap()), ..Expectation::default() };
    let mut job = Case { expect, final_file: Some(there(100_000, Some(5))), ..case() };
    assert_eq!(job.plan(), Plan::Compare);
    job.final_file =
        Some(FinalFile { size: 100_000, modified: Some(5), digest_matches: Some(true), bytes_match: None });
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
    job.final_file =
        Some(FinalFile { size: 100_000, modified: Some(TIME), digest_matches: Some(false), bytes_match: None });
    assert!(matches!(job.plan(), Plan::Refuse(_)));
}

#[test]
fn a_size_that_contradicts_the_manifest_is_refused() {
    let expect = Expectation { size: Some(5), ..Expectation::default() };
    let plan = Case { expect: expect.clone(), ..case() }.plan();
    assert!(matches!(&plan, Plan::Refuse(f) if f.cause == Cause::WrongSize), "{plan:?}");
    // Some servers answer 0 for every file: that contradicts nothing.
    let plan = Case { expect, remote: identity(0, "20260101000000"), ..case() }.plan();
    assert!(matches!(plan, Plan::Fresh { .. }), "{plan:?}");
}

/// A part file whose time is not told any more may be the beginning of another version.
#[test]
fn nothing_is_continued_on_what_was_told_only_once() {
    let told = identity(100_000, "20260101000000");
    let no_time = Identity { modified: None, ..told.clone() };
    let unsized_now = Identity { size: None, ..told.clone() };
    for (recorded, remote, word) in [
        (&told, &no_time, "no longer tells the file's time"),
        (&no_time, &told, "did not tell the file's time before"),
        (&unsized_now, &told, "did not tell the file's size before"),
    ] {
        let progress = Progress { identity: recorded.clone(), ..progress(100_000, 0, BOOT) };
        let case = Case { remote: remote.clone(), part: Some(50_000), progress: Some(progress), ..case() };
        match case.plan() {
            Plan::Fresh { why: Some(why), set_aside: true } => assert!(why.contains(word), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    // One that never tells a time is taken at its size and the bytes that overlap.
    let progress = Progress { identity: no_time.clone(), ..progress(100_000, 0, BOOT) };
    let plan = Case { remote: no_time, part: Some(50_000), progress: Some(progress), ..case() }.plan();
    assert!(matches!(plan, Plan::Resume { have: 50_000, .. }), "{plan:?}");
}

#[test]
fn times_are_read_as_utc() {
    assert_eq!(unix_seconds("19700101000000"), Some(0));
    assert_eq!(unix_seconds("20260101000000.5"), Some(TIME));
    assert_eq!(unix_seconds("20240229123456"), Some(1_709_210_096));
    assert_eq!(unix_seconds("19691231235959"), Some(-1));
    for text in ["", "2026", "20261301000000", "20260101250000", "2026010100000x", "191000101000000"] {
        assert_eq!(unix_seconds(text), None, "{text}");
    }
}

#[test]
fn the_label_on_the_file_and_the_record_are_put_together() {
    let known = |record: Option<&Progress>, label: Option<&Progress>| known_progress(record, label, BOOT);
    let (old, new) = (progress(100_000, 70_000, "boot-b"), progress(100_000, 10, BOOT));
    assert_eq!(known(None, None), None);
    assert_eq!(known(Some(&old), None), Some(old.clone()));
    assert_eq!(known(None, Some(&new)), Some(new.clone()));
    // The same file: the label is of this boot, the record knows more bytes to be durable.
    assert_eq!(known(Some(&old), Some(&new)), Some(progress(100_000, 70_000, BOOT)));
    assert_eq!(known(Some(&new), Some(&old)), Some(progress(100_000, 70_000, BOOT)));
    // Another file: the record is of the one before.
    let other = progress(99_999, 0, BOOT);
    assert_eq!(known(Some(&old), Some(&other)), Some(other));
}

/// A part file that nothing is known of may be anything, whatever the user allows for files under the final name.
#[test]
fn without_a_record_a_part_file_is_never_trusted() {
    for part in [5, 50_000, 100_000] {
        let plan = Case { part: Some(part), existing: Existing::Resume, ..case() }.plan();
        assert!(matches!(plan, Plan::Fresh { why: Some(_), .. }), "{plan:?}");
    }
}

/// The job may have given it its name just before a crash, or somebody else after that: its bytes tell, except in TYPE A.
#[test]
fn a_file_that_can_not_be_compared_otherwise_is_recognized_by_the_record_of_it_and_its_bytes() {
    let mut job = Case { remote: Identity::default(), final_file: Some(there(5, Some(5))), ..case() };
    assert!(matches!(job.plan(), Plan::Refuse(_)));
    job.progress = Some(progress(5, 5, BOOT));
    assert_eq!(job.plan(), Plan::Sample);
    let compared = |bytes_match| Some(FinalFile { bytes_match: Some(bytes_match), ..there(5, Some(5)) });
    job.final_file = compared(true);
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
    job.final_file = compared(false);
    assert!(matches!(job.plan(), Plan::Refuse(_)));
    job.final_file = Some(there(5, Some(5)));
    job.kind = TransferType::Ascii;
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
}

/// What the receipt tells of the file here weighs more than a time to the second.
#[test]
fn a_file_that_is_known_to_differ_is_not_adopted_for_its_time() {
    let mut job = Case { final_file: Some(there(100_000, Some(TIME))), ..case() };
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
    job.own = Some(Difference::Content);
    assert!(matches!(job.plan(), Plan::Refuse(_)));
    job.existing = Existing::Overwrite;
    assert_eq!(job.plan(), Plan::Fresh { why: None, set_aside: false });
    job.own = Some(Difference::Doubt);
    assert_eq!(job.plan(), Plan::Sample);
    job.final_file = Some(FinalFile { bytes_match: Some(true), ..there(100_000, Some(TIME)) });
    assert!(matches!(job.plan(), Plan::Adopt { .. }));
    job.final_file = Some(FinalFile { bytes_match: Some(false), ..there(100_000, Some(TIME)) });
    assert_eq!(job.plan(), Plan::Fresh { why: None, set_aside: false });
}

fn spans(list: &[(u64, u64)]) -> Vec<Span> {
    list.iter().map(|&(start, end)| Span { start, end }).collect()
}

/// A file that came in pieces: what is held, and what of it is durable.
fn in_pieces(held: &[(u64, u64)], durable: &[(u64, u64)], boot: &str) -> Progress {
    let prefix = durable.first().filter(|&&(start, _)| start == 0).map_or(0, |&(_, end)| end);
    let (ranges, durable_ranges) = (spans(held), spans(durable));
    Progress { ranges, durable_ranges, ..progress(100_000, prefix, boot) }
}

#[test]
fn of_a_file_in_pieces_the_ranges_count_and_never_the_length() {
    let held = [(0, 30_000), (50_000, 60_000), (60_000, 70_000)];
    let part = |progress| Case { part: Some(70_000), progress: Some(progress), ..case() };
    let plan = part(in_pieces(&held, &[(0, 1_000)], BOOT)).plan();
    assert_eq!(plan, Plan::Patch { held: spans(&held), why: None });
    // A part file that was cut holds no more than its length.
    let plan = Case { part: Some(55_000), progress: Some(in_pieces(&held, &[], BOOT)), ..case() }.plan();
    assert_eq!(plan, Plan::Patch { held: spans(&[(0, 30_000), (50_000, 55_000)]), why: None });
    // One range from the start is a beginning like any other, but ends before the file does.
    let plan = part(in_pieces(&[(0, 30_000)], &[], BOOT)).plan();
    assert_eq!(plan, Plan::Resume { from: 30_000 - OVERLAP, have: 30_000, why: None });
    // All of it.
    let whole = in_pieces(&[(0, 100_000)], &[], BOOT);
    assert_eq!(Case { part: Some(100_000), progress: Some(whole), ..case() }.plan(), Plan::Finish);
    // All of it, but not yet proved to belong together.
    let held = [(0, 50_000), (50_000, 100_000)];
    let unproved = Case { part: Some(100_000), progress: Some(in_pieces(&held, &[], BOOT)), ..case() };
    assert_eq!(unproved.plan(), Plan::Patch { held: spans(&held), why: None });
}

#[test]
fn of_a_file_in_pieces_only_the_durable_ranges_outlive_the_machine() {
    let (held, durable) = ([(0, 30_000), (50_000, 70_000)], [(0, 10_000), (50_000, 60_000)]);
    let part = |progress| Case { part: Some(70_000), progress: Some(progress), ..case() };
    let plan = part(in_pieces(&held, &durable, "boot-b")).plan();
    let Plan::Patch { held: kept, why } = plan else { panic!("{plan:?}") };
    assert_eq!(kept, spans(&durable));
    assert!(why.unwrap().contains("30000 bytes"));
    let plan = part(in_pieces(&held, &[], "boot-b")).plan();
    assert!(matches!(plan, Plan::Fresh { why: Some(_), set_aside: false }), "{plan:?}");
}

#[test]
fn without_rest_only_the_beginning_of_a_file_in_pieces_is_gone_on_with() {
    let plan = Case {
        part: Some(70_000),
        progress: Some(in_pieces(&[(0, 30_000), (50_000, 70_000)], &[], BOOT)),
        no_rest: true,
        ..case()
    };
    assert!(matches!(plan.plan(), Plan::Resume { from: 0, have: 30_000, why: Some(_) }), "{:?}", plan.plan());
}

#[test]
fn a_file_in_pieces_that_changed_or_shrank_starts_again() {
    let held = [(0, 30_000), (50_000, 70_000)];
    let part = Case { part: Some(70_000), progress: Some(in_pieces(&held, &[], BOOT)), ..case() };
    let changed = Case { remote: identity(100_000, "20260101000001"), ..part };
    assert!(matches!(changed.plan(), Plan::Fresh { why: Some(_), set_aside: true }), "{:?}", changed.plan());
}

/// The label says how the part file is to be read; a record of before must not make its holes count.
#[test]
fn the_label_of_a_file_in_pieces_wins_over_an_older_record() {
    let before = progress(100_000, 5_000, BOOT);
    let label = in_pieces(&[(0, 30_000), (50_000, 70_000)], &[], BOOT);
    let known = known_progress(Some(&before), Some(&label), BOOT).unwrap();
    assert_eq!((known.ranges, known.durable), (label.ranges.clone(), 5_000));
    // The other way round: the file was begun anew in one piece since.
    let known = known_progress(Some(&label), Some(&before), BOOT).unwrap();
    assert_eq!(known.ranges, []);
    // After a restart of the machine what the record knows to be durable counts.
    let record = in_pieces(&[(0, 9_000), (50_000, 60_000)], &[(0, 9_000), (50_000, 60_000)], "boot-b");
    let old = Progress { boot_id: "boot-b".to_owned(), ..label };
    let known = known_progress(Some(&record), Some(&old), BOOT).unwrap();
    assert_eq!(known.durable_ranges, record.durable_ranges);
}

fn of_a_mirror(remote: Identity) -> Case {
    let begun_with = Some("ftp://first/a".parse().unwrap());
    Case { remote, part: Some(50_000), progress: Some(progress(100_000, 0, BOOT)), begun_with, ..case() }
}

/// Mirrors have times and unique names of their own.
#[test]
fn a_mirror_goes_on_where_the_sizes_agree() {
    let unique = Some("x".to_owned());
    for remote in [
        identity(100_000, "20260101000000"),
        identity(100_000, "20270101000000"),
        Identity { unique, ..identity(100_000, "20270101000000") },
        Identity { size: Some(100_000), ..Identity::default() },
    ] {
        let plan = of_a_mirror(remote).plan();
        assert_eq!(plan, Plan::Resume { from: 50_000 - OVERLAP, have: 50_000, why: None });
    }
}

#[test]
fn a_mirror_of_another_size_is_refused_unless_the_list_says_that_it_is_right() {
    let other = of_a_mirror(identity(100_001, "20260101000000"));
    let Plan::Refuse(failure) = other.plan() else { panic!("{:?}", other.plan()) };
    assert_eq!((failure.cause, failure.kind), (Cause::OtherContent, crate::model::FailureKind::Permanent));
    assert!(failure.message.contains("ftp://first/a"), "{failure}");
    let expect = Expectation { size: Some(100_001), ..Expectation::default() };
    let plan = Case { expect, ..other }.plan();
    assert!(matches!(plan, Plan::Fresh { why: Some(_), set_aside: false }), "{plan:?}");
}

/// Of a mirror that sent none of it, at least the last bytes are compared.
#[test]
fn a_part_file_of_full_length_is_compared_with_a_mirror() {
    let whole = Case { part: Some(100_000), ..of_a_mirror(identity(100_000, "20270101000000")) };
    assert_eq!(whole.plan(), Plan::Resume { from: 100_000 - OVERLAP, have: 100_000, why: None });
    let checksum = Some("d41d8cd98f00b204e9800998ecf8427e".parse().unwrap());
    let expect = Expectation { checksum, ..Expectation::default() };
    assert_eq!(Case { expect, ..whole }.plan(), Plan::Finish);
}

/// Given its name just before a crash, with the time that the first source tells.
#[test]
fn the_time_of_the_first_source_is_as_good() {
    let found = Some(there(100_000, Some(TIME)));
    let mirror = Case { final_file: found, part: None, ..of_a_mirror(identity(100_000, "20270101000000")) };
    assert!(matches!(mirror.plan(), Plan::Adopt { .. }), "{:?}", mirror.plan());
    let plain = Case { begun_with: None, ..mirror };
    assert!(matches!(plain.plan(), Plan::Refuse(_)), "{:?}", plain.plan());
}
