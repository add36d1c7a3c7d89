//! Commands out of Markdown.

/// One fenced block of commands.
pub(super) struct Block {
    pub(super) run: Run,
    /// Commands that the reader does not see, and whether they go on while the rest of the guide is run.
    pub(super) first: Vec<(Command, bool)>,
    pub(super) commands: Vec<Command>,
}

/// How a block is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Run {
    /// Its commands end with these codes.
    Exits(Vec<i32>),
    /// It goes on while the rest of the guide is run.
    Background,
    /// Not at all, and why.
    No(String),
}

pub(super) struct Command {
    pub(super) line: usize,
    pub(super) text: String,
}

/// The blocks of a page; an error begins with the number of its line.
pub(super) fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut found = Vec::new();
    let (mut run, mut first) = (None, Vec::new());
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- run: ") {
            let said = comment.strip_suffix(" -->").ok_or(format!("{number}: a comment of one line"))?;
            let hidden = |word| said.strip_prefix(word)?.strip_suffix('`').map(str::to_owned);
            match (hidden("first `"), hidden("beside `")) {
                (Some(text), _) => first.push((Command { line: number, text }, false)),
                (_, Some(text)) => first.push((Command { line: number, text }, true)),
                _ => run = Some(how(said).ok_or(format!("{number}: `{said}` says nothing"))?),
            }
            continue;
        }
        if line != "```console" {
            let is_block = line.starts_with("```");
            if (run.is_some() || !first.is_empty()) && !line.is_empty() {
                return Err(format!("{number}: the comment above is of no block of commands"));
            }
            if is_block && !lines.by_ref().any(|(line, _)| line == "```") {
                return Err(format!("{number}: a block that does not end"));
            }
            continue;
        }
        let mut commands: Vec<Command> = Vec::new();
        for (line, number) in lines.by_ref().take_while(|(line, _)| *line != "```") {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(text), _) => commands.push(Command { line: number, text: text.to_owned() }),
                (None, Some(last)) if last.text.ends_with('\\') => last.text.push_str(&format!("\n{line}")),
                // What it prints.
                (None, _) => {}
            }
        }
        if commands.is_empty() {
            return Err(format!("{number}: a block without commands"));
        }
        let run = match run.take().unwrap_or(Run::Exits(Vec::new())) {
            Run::Exits(codes) if codes.len() > commands.len() => {
                return Err(format!("{number}: more codes than commands"));
            }
            // Codes that are not said are 0, and those of the last commands are said.
            Run::Exits(codes) => Run::Exits([vec![0; commands.len() - codes.len()], codes].concat()),
            other => other,
        };
        found.push(Block { run, first: std::mem::take(&mut first), commands });
    }
    Ok(found)
}

fn how(said: &str) -> Option<Run> {
    if said == "in the background" {
        return Some(Run::Background);
    }
    if let Some(codes) = said.strip_prefix("exits ") {
        return Some(Run::Exits(codes.split(' ').map(|code| code.parse().ok()).collect::<Option<_>>()?));
    }
    Some(Run::No(said.strip_prefix("no, needs ").filter(|reason| !reason.is_empty())?.to_owned()))
}

#[test]
fn pages_are_read() {
    let page = "<!-- run: exits 1 -->\n```console\n$ a \\\n  b\nout\n$ c # d\n```\n\n```toml\n$ x\n```\n\
                <!-- run: first `z` -->\n<!-- run: no, needs Docker -->\n\n```console\n$ e\n```\n";
    let found = blocks(page).expect("blocks");
    let texts: Vec<Vec<(usize, &str)>> = found
        .iter()
        .map(|block| block.commands.iter().map(|command| (command.line, command.text.as_str())).collect())
        .collect();
    assert_eq!(texts, [vec![(3, "a \\\n  b"), (6, "c # d")], vec![(16, "e")]]);
    assert_eq!(found[0].run, Run::Exits(vec![0, 1]));
    assert_eq!((&found[1].run, found[1].first[0].0.text.as_str()), (&Run::No("Docker".to_owned()), "z"));
    for wrong in [
        "<!-- run: perhaps -->\n```console\n$ a\n```\n",
        "<!-- run: exits 1 -->\ntext\n",
        "<!-- run: exits 0 1 -->\n```console\n$ a\n```\n",
        "```console\na\n```\n",
        "```toml\n",
    ] {
        assert!(blocks(wrong).is_err(), "{wrong}");
    }
}
