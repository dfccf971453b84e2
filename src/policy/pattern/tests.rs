use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn patterns_match_what_they_say() {
    let table: [(&str, &[&str], &[&str]); 33] = [
        ("*.nc", &["a.nc", ".nc", "d/a.nc", "d/e/a.nc"], &["a.ncx", "a", "a.nc/b"]),
        ("/*.nc", &["a.nc"], &["d/a.nc"]),
        ("d/*.nc", &["d/a.nc"], &["a.nc", "d/e/a.nc", "e/d/a.nc"]),
        ("*", &["a", ".a", "d/a", "d/"], &[]),
        ("**", &["a", "d/a", "d/e/a"], &[]),
        ("d/**", &["d/a", "d/e/a"], &["d", "e/a", "dd/a"]),
        ("**/a", &["a", "d/a", "d/e/a"], &["ba", "d/ba"]),
        ("d/**/a", &["d/a", "d/e/a", "d/e/f/a"], &["d/ba", "a", "da"]),
        ("d/**/e/**/a", &["d/e/a", "d/x/e/y/z/a"], &["d/a"]),
        ("a**b", &["ab", "axb", "d/axxb"], &["a/b"]),
        ("d/a**", &["d/a", "d/ab"], &["d/a/b"]),
        ("a?c", &["abc", "aüc"], &["ac", "a/c", "abbc"]),
        ("a?", &["aü"], &["aüü"]),
        ("[a-c]x", &["ax", "cx"], &["dx", "x", "[a-c]x"]),
        ("[!a-c]x", &["dx", "üx"], &["ax", "/x", "x"]),
        ("[^a]", &["b"], &["a"]),
        ("[äö]", &["ä", "ö"], &["ü", "a"]),
        ("[]a]", &["]", "a"], &["b"]),
        ("[!]a]", &["b"], &["]", "a"]),
        ("[a-]", &["a", "-"], &["b"]),
        ("[\\]\\\\]", &["]", "\\"], &["a"]),
        ("[*?]", &["*", "?"], &["a"]),
        ("{a,b}.x", &["a.x", "b.x"], &["c.x", "ab.x"]),
        ("{a,b{c,d*}}{,y}", &["a", "bc", "bdz", "ay", "bcy"], &["b", "y", ""]),
        ("{a/b,c}", &["a/b", "c"], &["b", "d/c"]),
        ("a,b}", &["a,b}"], &["a", "b"]),
        ("\\*", &["*"], &["a"]),
        ("\\{a\\}", &["{a}"], &["a"]),
        ("a\\", &[], &["a"]),
        ("x/", &["x/", "d/x/"], &["x", "d/x"]),
        ("x", &["x", "x/"], &["X"]),
        ("/d/x/", &["d/x/"], &["d/x", "e/d/x/"]),
        ("a\\x41", &["aA"], &["ax41"]),
    ];
    for (text, good, bad) in table {
        // A `\` that ends the pattern takes nothing.
        let Ok(pattern) = Pattern::parse(text) else {
            assert_eq!(text, "a\\");
            continue;
        };
        for path in good {
            assert!(pattern.matches(path.as_bytes()), "{text} {path}");
        }
        for path in bad {
            assert!(!pattern.matches(path.as_bytes()), "{text} {path}");
        }
    }
}

#[test]
fn bytes_that_are_no_characters_are_matched_one_by_one() {
    assert!(pattern("lat?n").matches(b"lat\xfcn"));
    assert!(pattern("lat\\xFCn").matches(b"lat\xfcn"));
    assert!(!pattern("lat\\xFCn").matches("latün".as_bytes()));
    assert!(pattern("*").matches(b"\xff\xfe"));
    assert!(!pattern("??").matches(b"\xff"));
    assert!(pattern("[!a]").matches(b"\xff"));
}

#[test]
fn folders_are_read_only_where_something_may_match() {
    let table: [(&str, &[&str], &[&str]); 8] = [
        ("*.nc", &["", "d", "d/e"], &[]),
        ("/*.nc", &[""], &["d", "d/e"]),
        ("d/*.nc", &["", "d", "d/"], &["e", "d/e", "dd"]),
        ("d*/e/*.nc", &["d", "dd", "d/e"], &["e", "d/f", "d/e/f"]),
        ("**/x", &["d", "d/e/f"], &[]),
        ("d/**/x", &["d", "d/e/f"], &["e"]),
        ("{a,b/c}/x", &["a", "b", "b/c"], &["c", "a/c", "b/d"]),
        ("d/x", &["d"], &["d/x"]),
    ];
    for (text, good, bad) in table {
        for folder in good {
            assert!(pattern(text).may_match_below(folder.as_bytes()), "{text} {folder}");
        }
        for folder in bad {
            assert!(!pattern(text).may_match_below(folder.as_bytes()), "{text} {folder}");
        }
    }
    let deep = ["d/x", "**", "**/x", "a*/b"].map(|text| pattern(text).is_deep());
    let flat = ["*.nc", "/x", "a**b", "x/"].map(|text| pattern(text).is_deep());
    assert_eq!((deep, flat), ([true; 4], [false; 4]));
}

#[test]
fn what_is_no_pattern_is_told_with_its_place() {
    let open = |mark, at| Err(PatternError::Open { mark, at });
    for (text, error) in [
        ("", Err(PatternError::Empty)),
        ("/", Err(PatternError::Empty)),
        ("a[", open('[', 1)),
        ("/a[", open('[', 2)),
        ("[]", open('[', 0)),
        ("[a-", open('[', 0)),
        ("[!", open('[', 0)),
        ("x{a,b", open('{', 1)),
        ("{a{b}", open('{', 0)),
        ("a\\", open('\\', 1)),
        ("[z-a]", Err(PatternError::Range { at: 1 })),
        ("[[:alpha:]]", Err(PatternError::Range { at: 1 })),
    ] {
        assert_eq!(Pattern::parse(text), error, "{text}");
    }
    assert!(Pattern::parse(&"x".repeat(1024)).is_ok());
    assert_eq!(Pattern::parse(&"x".repeat(1025)), Err(PatternError::TooLong(1025)));
}

/// CVE-2017-8817: a pattern that ends in `[` was read past its end. CVE-2020-8285: entry after entry that did not match
/// made the stack grow. And patterns on which others take for ever.
#[test]
fn cve_2017_8817_cve_2020_8285_no_pattern_takes_more_than_the_product_of_the_lengths() {
    for length in 0..1024 {
        assert!(Pattern::parse(&format!("{}[", "*".repeat(length))).is_err());
    }
    let path = [vec![b'a'; 511], vec![b'b']].concat();
    for text in [
        "*a".repeat(512),
        "a*".repeat(512),
        format!("{}c", "*".repeat(1023)),
        format!("{}c", "?*".repeat(511)),
        "[!b]*".repeat(204),
        "**/".repeat(341),
        format!("{}c", "{a,a*}".repeat(170)),
        format!("{}{}", "{".repeat(500), "}".repeat(500)),
        format!("{}{}", "{a,".repeat(250), "}".repeat(250)),
        "{a,aa,aaa}".repeat(102),
    ] {
        let pattern = pattern(&text);
        let run = Run::of(&pattern.program, &path);
        let most = 3 * (path.len() + 1) * pattern.program.len();
        assert!(run.steps <= most, "{text:.20}: {} steps, {most} at most", run.steps);
        assert!(pattern.program.len() <= 4 * text.len() + 8, "{text:.20}: {} states", pattern.program.len());
        let _ = (pattern.matches(&path), pattern.may_match_below(&path));
    }
    // Entry after entry takes no more than the last.
    let pattern = pattern("*x*y*z");
    assert_eq!((0..100_000).filter(|n| pattern.matches(n.to_string().as_bytes())).count(), 0);
}

#[test]
fn a_url_is_split_before_it_is_decoded() {
    for (url, folder, pattern) in [
        ("ftp://h/d/*.nc", "ftp://h/d/", Some("*.nc")),
        ("ftp://h/*", "ftp://h/", Some("*")),
        ("ftp://h/d/**/a?.nc", "ftp://h/d/", Some("**/a?.nc")),
        ("ftp://h/d/a*/b/c", "ftp://h/d/", Some("a*/b/c")),
        ("ftp://h/d/a*/", "ftp://h/d/", Some("a*/")),
        ("ftp://h/%2Fpub/*.nc", "ftp://h/%2Fpub/", Some("*.nc")),
        ("ftp://h/%2f*.nc", "ftp://h/%2f", Some("*.nc")),
        ("ftp://h//*.nc", "ftp://h//", Some("*.nc")),
        ("ftp://h/d/a%2A*", "ftp://h/d/", Some("a\\**")),
        ("ftp://h/d/%5B1%5D%20*", "ftp://h/d/", Some("\\[1\\] *")),
        ("ftp://h/d/%C3%BC*%FC", "ftp://h/d/", Some("ü*\\xFC")),
        ("ftp://h/d/100%*", "ftp://h/d/", Some("100%*")),
        ("ftp://h/d/[ab]*.nc", "ftp://h/d/", Some("[ab]*.nc")),
        ("ftp://h/d[1]/{a,b}*", "ftp://h/d[1]/", Some("{a,b}*")),
        ("ftp://h/d/*.txt;type=a", "ftp://h/d/;type=a", Some("*.txt")),
        ("ftp://h/d/a%2Ab", "ftp://h/d/a%2Ab", None),
        ("ftp://h/d/a[1].nc", "ftp://h/d/a[1].nc", None),
        ("ftp://h/d/", "ftp://h/d/", None),
        ("ftp://u*:p?@h/d/a", "ftp://u*:p?@h/d/a", None),
        ("ftp://u*:p?@h/d/a*", "ftp://u*:p?@h/d/", Some("a*")),
        ("ftp://h", "ftp://h", None),
        ("ftp://h?", "ftp://h?", None),
        ("d/*", "d/*", None),
    ] {
        assert_eq!(split_pattern(url), (folder.to_owned(), pattern.map(str::to_owned)), "{url}");
        if let Some(text) = pattern {
            Pattern::parse(text).unwrap();
        }
    }
    assert!(pattern(&split_pattern("ftp://h/d/a%2A*").1.unwrap()).matches(b"a*b"));
    assert!(!pattern(&split_pattern("ftp://h/d/a%2A*").1.unwrap()).matches(b"axb"));
    assert!(pattern(&split_pattern("ftp://h/d/%FC*").1.unwrap()).matches(b"\xfcx"));
}
