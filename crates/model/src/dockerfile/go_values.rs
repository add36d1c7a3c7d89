//! Go values as `fmt` prints them, as far as builders print them into histories.

/// Texts of a list in quotes: `["a" "b"]`, also with commas. `None` if it is anything else.
pub(super) fn quoted(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.trim_start();
    let mut words = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return after.trim().is_empty().then_some(words);
        }
        let (word, after) = string(rest)?;
        words.push(word);
        rest = after.trim_start_matches([' ', ',']);
    }
}

/// Words of a list without quotes: `[a b]`, or the keys of `map[a:{} b:{}]`.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    // Old builders print the map in a list.
    let text = text
        .strip_prefix('[')
        .filter(|inner| inner.starts_with("map["))
        .map_or(text, |inner| inner.trim_end_matches(']'));
    if let Some(inner) = text.strip_prefix("map[") {
        let words = inner.trim_end_matches(']').split_whitespace();
        return Some(words.map(|word| word.strip_suffix(":{}").unwrap_or(word).to_owned()).collect());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    if inner.contains(['[', ']', '"']) {
        return None;
    }
    Some(inner.split_whitespace().map(str::to_owned).collect())
}

/// A health check: `&{["CMD-SHELL" "command"] "30s" "3s" "0s" '\x03'}`, with interval, time limit, start period, newer
/// ones also start interval, and the number of retries.
pub(super) fn health(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix("&{")?.strip_suffix('}')?;
    // The list ends with a bracket outside of quotes, which only reading it tells.
    let mut rest = inner.strip_prefix('[')?;
    let mut test = Vec::new();
    while !rest.starts_with(']') {
        let (word, after) = string(rest)?;
        test.push(word);
        rest = after.trim_start();
    }
    rest = rest.strip_prefix(']')?.trim_start();
    let mut durations = Vec::new();
    while rest.starts_with('"') {
        let (duration, after) = string(rest)?;
        durations.push(duration);
        rest = after.trim_start();
    }
    let retries = rest.strip_prefix('\'').and_then(character).map(|(retries, _)| u32::from(retries));
    let (kind, command) = test.split_first()?;
    let command = match kind.as_str() {
        "NONE" => return Some("NONE".to_owned()),
        "CMD" => serde_json::to_string(command).ok()?,
        _ => command.join(" "),
    };
    let names = ["--interval", "--timeout", "--start-period", "--start-interval"];
    let mut words: Vec<String> = names
        .iter()
        .zip(&durations)
        .filter(|(_, duration)| *duration != "0s")
        .map(|(name, duration)| format!("{name}={duration}"))
        .collect();
    words.extend(retries.filter(|retries| *retries > 0).map(|retries| format!("--retries={retries}")));
    words.push(format!("CMD {command}"));
    Some(words.join(" "))
}

/// A text in double quotes with Go's escapes, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        if let Some(after) = rest.strip_prefix('"') {
            return Some((value, after));
        }
        let (letter, after) = character(rest)?;
        value.push(letter);
        rest = after;
    }
}

/// One character, escaped or not, and what follows it.
fn character(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    let first = letters.next()?;
    if first != '\\' {
        return Some((first, letters.as_str()));
    }
    let digits = match letters.next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'a' => return Some(('\x07', letters.as_str())),
        'b' => return Some(('\x08', letters.as_str())),
        'f' => return Some(('\x0c', letters.as_str())),
        'n' => return Some(('\n', letters.as_str())),
        'r' => return Some(('\r', letters.as_str())),
        't' => return Some(('\t', letters.as_str())),
        'v' => return Some(('\x0b', letters.as_str())),
        other => return Some((other, letters.as_str())),
    };
    let rest = letters.as_str();
    let value = u32::from_str_radix(rest.get(..digits)?, 16).ok()?;
    Some((char::from_u32(value)?, rest.get(digits..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let words = |words: Option<Vec<String>>| words.map(|words| words.join("|"));
        for (text, want) in [
            (r#"["nginx" "-g" "daemon off;"]"#, Some("nginx|-g|daemon off;")),
            (r#"["a","b\"c", "\u00e9\x21\n"]"#, Some("a|b\"c|é!\n")),
            ("[]", Some("")),
            (r#"["a" b]"#, None),
            (r#"["a"] x"#, None),
            (r#"["a"#, None),
            (r#"["\x"]"#, None),
            ("echo x", None),
        ] {
            assert_eq!(words(quoted(text)).as_deref(), want, "{text}");
        }
        for (text, want) in [
            ("map[80/tcp:{} 443/tcp:{}]", Some("80/tcp|443/tcp")),
            ("[map[80/tcp:{}]]", Some("80/tcp")),
            ("[/data /var/lib/x]", Some("/data|/var/lib/x")),
            ("map[]", Some("")),
            ("22 8080/tcp", None),
            (r#"["a"]"#, None),
            ("[a", None),
        ] {
            assert_eq!(words(list(text)).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn health_checks() {
        for (text, want) in [
            (
                r#"&{["CMD-SHELL" "curl -f http://localhost/ || exit 1"] "30s" "3s" "0s" '\x03'}"#,
                Some("--interval=30s --timeout=3s --retries=3 CMD curl -f http://localhost/ || exit 1"),
            ),
            (
                r#"&{["CMD" "a" "b]\"c"] "1m0s" "0s" "5s" "2s" '\n'}"#,
                Some(r#"--interval=1m0s --start-period=5s --start-interval=2s --retries=10 CMD ["a","b]\"c"]"#),
            ),
            (r#"&{["NONE"] "0s" "0s" "0s" '\x00'}"#, Some("NONE")),
            (r#"&{["CMD" "x"] "0s" "0s" "0s" "0s" '\x00'}"#, Some(r#"CMD ["x"]"#)),
            ("&{[] \"0s\"}", None),
            ("CMD curl x", None),
            ("&{", None),
            ("&{[\"CMD\"", None),
        ] {
            assert_eq!(health(text).as_deref(), want, "{text}");
        }
    }
}
