//! Where a name is written: the parser keeps the places of mistakes only.

/// What a name is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Variable,
    Member,
    Function,
}

/// Line and column where a name is written first in this role.
pub(super) fn place(source: &str, name: &str, role: Role) -> Option<(usize, usize)> {
    let letters: Vec<char> = source.chars().collect();
    let is_word = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let (mut line, mut column, mut at) = (1, 1, 0);
    let mut before = ' ';
    while let Some(&letter) = letters.get(at) {
        let rest = letters.get(at..).unwrap_or_default();
        let length = match letter {
            '\'' | '"' => {
                let mut end = 1;
                while let Some(&inner) = rest.get(end).filter(|inner| **inner != letter) {
                    end += if inner == '\\' { 2 } else { 1 };
                }
                end + 1
            }
            _ if is_word(&letter) => {
                let word: String = rest.iter().take_while(|letter| is_word(letter)).collect();
                let length = word.len();
                let next = rest.iter().skip(length).find(|letter| !letter.is_whitespace());
                let is_role = match role {
                    Role::Variable => before != '.' && next != Some(&'('),
                    Role::Member => before == '.',
                    Role::Function => next == Some(&'('),
                };
                if word == name && is_role {
                    return Some((line, column));
                }
                length
            }
            _ => 1,
        };
        let skipped = rest.iter().take(length);
        (line, column) = skipped.fold((line, column), |(line, column), letter| match letter {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        });
        if !letter.is_whitespace() {
            before = letter;
        }
        at += length;
    }
    None
}
