use super::*;
use crate::disk::Place;
use crate::model::{Destination, RelPath};

struct Bench {
    _folder: tempfile::TempDir,
    part: PartFile,
}

/// A part file that holds `content`.
fn bench(content: &[u8]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let destination = Destination::new(folder.path(), RelPath::new("file").unwrap()).unwrap();
    let part = Place::open(&destination).unwrap().open_part().unwrap();
    part.write_at(content, 0).unwrap();
    Bench { _folder: folder, part }
}

fn content(bench: &Bench) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(bench.part.len().unwrap()).unwrap()];
    bench.part.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// Bytes that differ everywhere, from a small linear generator.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 12_345u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

/// Feeds `data` in pieces of `piece` bytes until something else than `Fine` comes back.
fn feed(copier: &mut Copier<'_>, data: &[u8], piece: usize) -> Took {
    let mut ignored = false;
    for bytes in data.chunks(piece) {
        match copier.take(bytes).unwrap() {
            Took::Fine => {}
            Took::RestIgnored => ignored = true,
            other => return other,
        }
    }
    match copier.end().unwrap() {
        Took::Fine if ignored => Took::RestIgnored,
        end => end,
    }
}

const OVER: usize = 16 * 1024;

#[test]
fn a_resume_compares_the_overlap_and_writes_the_rest() {
    let file = noise(100_000);
    for piece in [1, 1000, OVER, OVER + 1, 100_000] {
        let bench = bench(&file[..40_000]);
        let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(100_000));
        assert_eq!(feed(&mut copier, &file[40_000 - OVER..], piece), Took::Fine, "pieces of {piece}");
        assert_eq!((copier.position(), copier.length()), (100_000, 100_000));
        assert!(content(&bench) == file, "pieces of {piece}");
    }
}

#[test]
fn a_server_that_ignores_rest_is_compared_all_along_and_nothing_is_written_twice() {
    let file = noise(100_000);
    for piece in [1, 1000, OVER + 1, 100_000] {
        let bench = bench(&file[..40_000]);
        let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(100_000));
        assert_eq!(feed(&mut copier, &file, piece), Took::RestIgnored, "pieces of {piece}");
        assert!(content(&bench) == file, "pieces of {piece}");
    }
}

#[test]
fn a_file_that_changed_is_noticed_before_anything_is_written() {
    let (old, mut new) = (noise(100_000), noise(100_000));
    new[39_999] ^= 1;
    let bench = bench(&old[..40_000]);
    let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(100_000));
    assert_eq!(feed(&mut copier, &new[40_000 - OVER..], 5000), Took::Differs);
    assert!(content(&bench) == old[..40_000]);
}

#[test]
fn a_change_beyond_the_overlap_is_noticed_where_the_whole_is_read_again() {
    let (old, mut new) = (noise(100_000), noise(100_000));
    new[30_000] ^= 1;
    let bench = bench(&old[..40_000]);
    let mut copier = Copier::new(&bench.part, 0, 40_000, Some(100_000));
    assert_eq!(feed(&mut copier, &new, 7000), Took::Differs);
    assert!(content(&bench) == old[..40_000]);
}

#[test]
fn nothing_is_written_beyond_the_files_size() {
    let file = noise(5_000);
    let bench = bench(b"");
    let mut copier = Copier::new(&bench.part, 0, 0, Some(4_000));
    assert_eq!(feed(&mut copier, &file, 1_500), Took::TooMuch);
    assert!(content(&bench) == file[..4_000]);
}

/// Zeros at both ends look like a good overlap when REST was ignored; the surplus gives it away.
#[test]
fn an_ignored_rest_that_looks_like_a_resume_overshoots() {
    let zeros = vec![0u8; 100_000];
    let bench = bench(&zeros[..40_000]);
    let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(100_000));
    assert_eq!(feed(&mut copier, &zeros, 10_000), Took::TooMuch);
}

#[test]
fn data_that_ends_within_the_overlap_is_judged_by_what_came() {
    let file = noise(100_000);
    let bench = bench(&file[..40_000]);
    let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(100_000));
    assert_eq!(feed(&mut copier, &file[40_000 - OVER..40_000 - 100], 999), Took::Fine);
    assert_eq!((copier.position(), copier.length()), (39_900, 40_000));
    let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(100_000));
    assert_eq!(feed(&mut copier, &noise(50)[1..], 999), Took::Differs);
}

#[test]
fn a_size_of_zero_is_no_size() {
    let bench = bench(b"");
    let mut copier = Copier::new(&bench.part, 0, 0, Some(0));
    assert_eq!(feed(&mut copier, b"hello", 2), Took::Fine);
    assert_eq!(content(&bench), b"hello");
}

#[test]
fn lines_are_converted_on_the_way() {
    let bench = bench(b"");
    let mut copier = Copier::ascii(&bench.part);
    assert_eq!(feed(&mut copier, b"a\r\nb\r\nc\r", 2), Took::Fine);
    assert_eq!(content(&bench), b"a\nb\nc\r");
    assert_eq!(copier.position(), 6);
}

/// Lets `data` go through a pipe, as it comes from a socket.
fn pour(copier: &mut Copier<'_>, data: &[u8]) {
    let pipe = Pipe::open().unwrap();
    let mut rest = data;
    while !rest.is_empty() {
        let count = usize::try_from(copier.unseen()).unwrap().min(rest.len()).min(pipe.capacity());
        let (now, later) = rest.split_at(count);
        assert_eq!(rustix::io::write(pipe.inlet(), now).unwrap(), count);
        copier.take_unseen(&pipe, count).unwrap();
        rest = later;
    }
}

#[test]
fn bytes_by_way_of_a_pipe_end_where_the_others_do() {
    let file = noise(1_500_000);
    let bench = bench(&file[..40_000]);
    let mut copier = Copier::new(&bench.part, 40_000 - OVERLAP, 40_000, Some(1_500_000));
    assert_eq!(copier.take(&file[40_000 - OVER..70_001]).unwrap(), Took::Fine);
    pour(&mut copier, &file[70_001..1_400_000]);
    assert_eq!(copier.position(), 1_400_000);
    assert_eq!(copier.take(&file[1_400_000..]).unwrap(), Took::Fine);
    assert_eq!(copier.end().unwrap(), Took::Fine);
    assert_eq!(content(&bench), file);
}

#[test]
fn nothing_goes_unseen_that_is_to_be_compared_or_converted_or_has_no_room() {
    let file = noise(60_000);
    let bench = bench(&file[..50_000]);
    let mut resumed = Copier::new(&bench.part, 50_000 - OVERLAP, 50_000, Some(60_000));
    assert_eq!(resumed.unseen(), 0, "the overlap is not compared yet");
    resumed.take(&file[50_000 - OVER..50_000]).unwrap();
    assert_eq!(resumed.unseen(), 10_000, "what is left of the file");
    resumed.take(&file[50_000..]).unwrap();
    assert_eq!(resumed.unseen(), 0, "the file is full: whatever comes is too much");
    let mut ignored = Copier::new(&bench.part, 50_000 - OVERLAP, 50_000, Some(60_000));
    assert_eq!(ignored.take(&file[..OVER]).unwrap(), Took::RestIgnored);
    assert_eq!(ignored.unseen(), 0, "known bytes are still to be compared");
    assert_eq!(Copier::new(&bench.part, 0, 0, None).unseen(), 0, "nobody knows where the file ends");
    assert_eq!(Copier::new(&bench.part, 0, 0, Some(0)).unseen(), 0, "0 may mean that the server does not know");
    assert_eq!(Copier::ascii(&bench.part).unseen(), 0, "line ends are converted");
}
