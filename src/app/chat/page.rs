//! The page itself: all of it stands in the program, and a browser is told to take nothing from anywhere else.

use crate::app::http::Response;

/// A file of the page by its name; the page itself by none.
pub fn asset(name: &str) -> Option<Response> {
    let (media, text) = match name {
        "" => ("text/html; charset=utf-8", include_str!("assets/chat.html")),
        "chat.css" => ("text/css; charset=utf-8", include_str!("assets/chat.css")),
        "chat.js" => ("text/javascript; charset=utf-8", include_str!("assets/chat.js")),
        "words.js" => ("text/javascript; charset=utf-8", include_str!("assets/words.js")),
        "icon.svg" => ("image/svg+xml", include_str!("assets/icon.svg")),
        _ => return None,
    };
    Some(Response::typed(media, text).header("Cache-Control", "no-cache"))
}

/// Nothing but the page's own files, no script or style within it, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer with what keeps a browser from being talked into anything.
pub fn guarded(answer: Response) -> Response {
    answer
        .header("Content-Security-Policy", POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .header("Cross-Origin-Opener-Policy", "same-origin")
}
