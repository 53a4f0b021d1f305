//! What each option does to answers.

use std::{collections::BTreeMap, time::Duration};

use super::*;

/// The answer of a site with these options.
fn ask_with(directory: &TempDir, options: Options, request: &str) -> String {
    ask_site(Site::with(directory.path().join("site"), options).unwrap(), request)
}

fn write(directory: &TempDir, name: &str, content: &str) {
    fs::write(directory.path().join("site").join(name), content).unwrap();
}

#[test]
fn a_listing_comes_in_the_form_that_is_asked_for() {
    let files = directory();
    let json = ask(&files, "GET /?sort=size&order=asc\nAccept: application/json");
    assert_eq!(field(&json, "Content-Type"), Some("application/json"));
    assert_eq!(field(&json, "Vary"), Some("Accept"));
    let entries: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(body(&json)).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["sub", "with index", "empty", "茶 &.txt", "a.txt", "large"]);
    assert_eq!((&entries[5]["size"], &entries[5]["type"]), (&100_000.into(), &"file".into()));
    let text = ask(&files, "GET /\nAccept: text/plain");
    assert_eq!(field(&text, "Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(body(&text).lines().count(), 6, "{text}");
    assert!(body(&text).lines().any(|line| line.ends_with(" 3 茶 &.txt")), "{text}");
}

#[test]
fn an_index_is_the_first_of_those_that_are_there() {
    let files = directory();
    write(&files, "home.htm", "home");
    let options = |names: &[&str]| Options {
        index: names.iter().map(ToString::to_string).collect(),
        ..Options::default()
    };
    assert_eq!(body(&ask_with(&files, options(&["start", "home.htm", "a.txt"]), "GET /")), "home");
    let other = ask_with(&files, options(&["home.htm"]), "GET /with%20index/");
    assert!(body(&other).contains("index.html"), "it is a file like others: {other}");
}

#[test]
fn without_listings_a_directory_without_an_index_is_forbidden() {
    let files = directory();
    let options = || Options { listing: false, ..Options::default() };
    assert_eq!(status(&ask_with(&files, options(), "GET /")), 403);
    assert_eq!(status(&ask_with(&files, options(), "GET /nothing/")), 404);
    assert_eq!(body(&ask_with(&files, options(), "GET /with%20index/")), "the index");
}

#[test]
fn an_application_answers_for_its_routes_and_for_nothing_else() {
    let files = directory();
    write(&files, "index.html", "application");
    let ask = |request: &str| ask_with(&files, Options { spa: true, ..Options::default() }, request);
    for route in
        ["GET /users/7", "GET /users/7/", "GET /users/j.doe\nAccept: text/html,*/*;q=0.8", "GET /x?a.b"]
    {
        let answer = ask(route);
        assert_eq!((status(&answer), body(&answer)), (200, "application"), "{route}");
    }
    for other in ["GET /assets/gone.js", "GET /gone.css\nAccept: text/css,*/*;q=0.1"] {
        assert_eq!(status(&ask(other)), 404, "{other}");
    }
    assert_eq!(body(&ask("GET /a.txt")), "hello world\n");
    assert_eq!(status(&ask("GET /../secret")), 400);
    assert_eq!(status(&ask("POST /users/7")), 405);
}

#[test]
fn pages_of_other_sites_may_read_where_that_is_wanted() {
    let files = directory();
    let ask = |request: &str| ask_with(&files, Options { cors: true, ..Options::default() }, request);
    for request in ["GET /a.txt\nOrigin: http://b", "GET /nothing", "GET /", "POST /a.txt"] {
        assert_eq!(field(&ask(request), "Access-Control-Allow-Origin"), Some("*"), "{request}");
    }
    let preflight =
        ask("OPTIONS /a.txt\nAccess-Control-Request-Method: GET\nAccess-Control-Request-Headers: x-a, range");
    assert_eq!(status(&preflight), 204);
    assert_eq!(field(&preflight, "Access-Control-Allow-Headers"), Some("x-a, range"));
    assert_eq!(field(&preflight, "Access-Control-Allow-Methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(
        field(&super::ask(&files, "GET /a.txt\nOrigin: http://b"), "Access-Control-Allow-Origin"),
        None
    );
}

#[test]
fn files_may_be_kept_and_every_answer_has_the_fields_that_were_chosen() {
    let files = directory();
    let ask = |request: &str| {
        let headers =
            vec!["X-Frame-Options: DENY".parse().unwrap(), "Referrer-Policy: no-referrer".parse().unwrap()];
        let cache = Some(Duration::from_secs(600));
        ask_with(&files, Options { cache, headers, ..Options::default() }, request)
    };
    let answer = ask("GET /a.txt");
    assert_eq!(field(&answer, "Cache-Control"), Some("max-age=600"));
    let again = ask(&format!("GET /a.txt\nIf-None-Match: {}", field(&answer, "ETag").unwrap()));
    assert_eq!((status(&again), field(&again, "Cache-Control")), (304, Some("max-age=600")));
    assert_eq!(field(&ask("GET /"), "Cache-Control"), Some("no-cache"));
    assert_eq!(field(&ask("GET /nothing"), "Cache-Control"), None);
    for request in ["GET /a.txt", "GET /", "GET /nothing", "PUT /a.txt", "GET /sub"] {
        let answer = ask(request);
        assert_eq!(field(&answer, "X-Frame-Options"), Some("DENY"), "{request}");
        assert_eq!(field(&answer, "Referrer-Policy"), Some("no-referrer"), "{request}");
    }
    let headers = vec!["cache-control: no-store".parse().unwrap()];
    let own = ask_with(
        &files,
        Options { cache: Some(Duration::ZERO), headers, ..Options::default() },
        "GET /a.txt",
    );
    assert!(own.contains("cache-control: no-store\r\n") && !own.contains("max-age"), "{own}");
}

#[test]
fn a_field_that_was_chosen_twice_is_sent_twice_and_what_an_answer_varies_by_stays() {
    let files = directory();
    let chosen = ["Link: </a>", "Link: </b>", "Vary: Origin"];
    let headers = chosen.iter().map(|text| text.parse().unwrap()).collect();
    let answer = ask_with(&files, Options { headers, ..Options::default() }, "GET /");
    for line in chosen.into_iter().chain(["Vary: Accept"]) {
        assert!(answer.contains(&format!("{line}\r\n")), "{line}: {answer}");
    }
}

#[test]
fn hidden_names_are_served_where_that_is_wanted_and_nothing_outside_is() {
    let files = directory();
    let ask = |request: &str| ask_with(&files, Options { hidden: true, ..Options::default() }, request);
    assert_eq!(body(&ask("GET /.hidden")), "secret");
    assert_eq!(body(&ask("GET /.git/config")), "secret");
    let listing = ask("GET /\nAccept: text/plain");
    let names: Vec<_> = body(&listing).lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(names.contains(&".hidden") && names.contains(&".git/") && !names.contains(&"../"), "{names:?}");
    assert_eq!(status(&ask("GET /../secret")), 400);
}

#[test]
fn a_shorter_file_stands_for_the_plain_one_where_the_client_can_decode_it() {
    let files = directory();
    for (name, content) in
        [("a.txt.gz", "in gzip"), ("a.txt.br", "in br"), ("a.txt.zst", "in zstd"), ("only.gz", "x")]
    {
        write(&files, name, content);
    }
    let ask =
        |request: &str| ask_with(&files, Options { precompressed: true, ..Options::default() }, request);
    for (accept, coding, content) in [
        ("gzip, br, zstd", Some("br"), "in br"),
        ("gzip, br;q=0.5", Some("gzip"), "in gzip"),
        ("zstd", Some("zstd"), "in zstd"),
        ("deflate", None, "hello world\n"),
        ("gzip;q=0", None, "hello world\n"),
    ] {
        let answer = ask(&format!("GET /a.txt\nAccept-Encoding: {accept}"));
        assert_eq!((status(&answer), body(&answer)), (200, content), "{accept}");
        assert_eq!(field(&answer, "Content-Encoding"), coding, "{accept}");
        assert_eq!(field(&answer, "Content-Type"), Some("text/plain; charset=utf-8"), "{accept}");
        assert_eq!(field(&answer, "Vary"), Some("Accept-Encoding"), "{accept}");
    }
    let plain = ask("GET /a.txt");
    assert_eq!((body(&plain), field(&plain, "Vary")), ("hello world\n", Some("Accept-Encoding")));
    let coded = ask("GET /a.txt\nAccept-Encoding: gzip");
    let etag = field(&coded, "ETag").unwrap();
    assert_ne!(field(&plain, "ETag"), Some(etag), "another representation has another tag");
    let again = ask(&format!("GET /a.txt\nAccept-Encoding: gzip\nIf-None-Match: {etag}"));
    assert_eq!((status(&again), field(&again, "Vary")), (304, Some("Accept-Encoding")));
    let part = ask("GET /a.txt\nAccept-Encoding: gzip\nRange: bytes=3-");
    assert_eq!((status(&part), body(&part), field(&part, "Content-Encoding")), (206, "gzip", Some("gzip")));
    assert_eq!(status(&ask("GET /only\nAccept-Encoding: gzip")), 404, "the plain one must be there");
    let direct = ask("GET /a.txt.gz\nAccept-Encoding: gzip");
    assert_eq!((body(&direct), field(&direct, "Content-Encoding")), ("in gzip", None));
    assert_eq!(field(&super::ask(&files, "GET /a.txt\nAccept-Encoding: gzip"), "Content-Encoding"), None);
}

#[cfg(feature = "auth")]
#[test]
fn who_is_not_known_gets_nothing_and_is_told_how_to_ask() {
    let files = directory();
    // The digest of `secret`.
    let user = "ann:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let ask = |request: &str| {
        let cache = Some(Duration::from_secs(9));
        let options = Options { auth: vec![user.parse().unwrap()], cors: true, cache, ..Options::default() };
        ask_with(&files, options, request)
    };
    for request in [
        "GET /a.txt",
        "GET /",
        "GET /nothing",
        "PUT /a.txt",
        "GET /a.txt\nAuthorization: Basic YW5uOnNlY3Jlcw==",
    ] {
        let answer = ask(request);
        assert_eq!((status(&answer), body(&answer)), (401, "401 Unauthorized\n"), "{request}");
        assert_eq!(field(&answer, "WWW-Authenticate"), Some("Basic realm=\"forkd\", charset=\"UTF-8\""));
    }
    let answer = ask("GET /a.txt\nAuthorization: Basic YW5uOnNlY3JldA==");
    assert_eq!((status(&answer), body(&answer)), (200, "hello world\n"));
    assert_eq!(field(&answer, "Cache-Control"), Some("private, max-age=9"));
    assert_eq!(
        status(&ask("OPTIONS /a.txt\nAccess-Control-Request-Method: GET")),
        204,
        "a browser asks without it"
    );
}
