//! Globs as Go's `gobwas/glob` matches them: Argo CD's projects and directories, and Helm's `.Files.Glob`.
//!
//! `*` any run of characters but separators, `**` any run, `?` one character but a separator, `[abc]`, `[a-z]`, `[!a]` one
//! of a set, `{a,b}` alternatives (which may hold patterns), `\` takes the next character as it is.
//!
//! A pattern is compiled once and matched in time proportional to pattern times text: no backtracking beyond one level
//! of alternatives. Entry: [`Glob`]. Source: github.com/gobwas/glob, its README and `syntax/lexer`.

/// How deep alternatives may nest.
const DEPTH_MAX: usize = 8;
/// How many patterns alternatives may expand to.
const ALTERNATIVES_MAX: usize = 1024;

/// Says why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobError {
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl std::fmt::Display for GlobError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the glob {:?} is not valid: {}", self.pattern, self.reason)
    }
}

impl std::error::Error for GlobError {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(char),
    One,
    Run,
    RunAcross,
    Set { is_negated: bool, ranges: Vec<(char, char)> },
}

/// A compiled pattern. Invariant: `alternatives` holds at least one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    alternatives: Vec<Vec<Piece>>,
    separator: Option<char>,
}

impl Glob {
    /// Compiles a pattern. `separator` is what `*` and `?` stop at, if anything.
    ///
    /// Errors: an open `[` or `{`, an empty set, or more than 1,024 alternatives.
    pub fn compile(pattern: &str, separator: Option<char>) -> Result<Self, GlobError> {
        let characters: Vec<char> = pattern.chars().collect();
        let fail = |reason| GlobError { pattern: pattern.to_owned(), reason };
        let mut reader = Reader { characters: &characters, at: 0 };
        let alternatives = reader.sequences(0).map_err(fail)?;
        if reader.at < characters.len() {
            return Err(fail("a `}` closes nothing"));
        }
        Ok(Self { alternatives, separator })
    }

    /// Says whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.alternatives.iter().any(|pieces| matches(pieces, &text, self.separator))
    }
}

/// Says whether `text` matches `pattern` with nothing as separator; a pattern that is not valid matches only itself.
pub fn matches_plainly(pattern: &str, text: &str) -> bool {
    pattern == "*" || pattern == text || Glob::compile(pattern, None).is_ok_and(|glob| glob.matches(text))
}

/// Says whether the path `text` matches `pattern`, `*` stopping at `/`; a pattern that is not valid matches only itself.
pub fn matches_path(pattern: &str, text: &str) -> bool {
    pattern == text || Glob::compile(pattern, Some('/')).is_ok_and(|glob| glob.matches(text))
}

struct Reader<'a> {
    characters: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let found = self.characters.get(self.at).copied();
        self.at += usize::from(found.is_some());
        found
    }

    /// Reads up to the end, or (inside alternatives) up to the `,` or `}` that ends this one, which is left standing.
    fn sequences(&mut self, depth: usize) -> Result<Vec<Vec<Piece>>, &'static str> {
        if depth > DEPTH_MAX {
            return Err("alternatives are nested too deep");
        }
        let mut sequences = vec![Vec::new()];
        while let Some(next) = self.characters.get(self.at).copied() {
            if depth > 0 && (next == ',' || next == '}') || next == '}' {
                break;
            }
            self.at += 1;
            let piece = match next {
                '\\' => Piece::Literal(self.take().ok_or("it ends with `\\`")?),
                '?' => Piece::One,
                '*' => {
                    let mut stars = 1;
                    while self.characters.get(self.at) == Some(&'*') {
                        self.at += 1;
                        stars += 1;
                    }
                    if stars > 1 { Piece::RunAcross } else { Piece::Run }
                }
                '[' => self.set()?,
                '{' => {
                    let choices = self.choices(depth)?;
                    if sequences.len() * choices.len() > ALTERNATIVES_MAX {
                        return Err("it has too many alternatives");
                    }
                    let join = |head: &Vec<Piece>, tail: &Vec<Piece>| [head.as_slice(), tail.as_slice()].concat();
                    sequences =
                        sequences.iter().flat_map(|head| choices.iter().map(move |tail| join(head, tail))).collect();
                    continue;
                }
                other => Piece::Literal(other),
            };
            sequences.iter_mut().for_each(|sequence| sequence.push(piece.clone()));
        }
        Ok(sequences)
    }

    fn choices(&mut self, depth: usize) -> Result<Vec<Vec<Piece>>, &'static str> {
        let mut choices = Vec::new();
        loop {
            choices.extend(self.sequences(depth + 1)?);
            match self.take() {
                Some(',') => {}
                Some('}') => return Ok(choices),
                _ => return Err("a `{` is not closed"),
            }
        }
    }

    fn set(&mut self) -> Result<Piece, &'static str> {
        const OPEN: &str = "a `[` is not closed";
        let is_negated = self.characters.get(self.at) == Some(&'!');
        self.at += usize::from(is_negated);
        let mut ranges = Vec::new();
        loop {
            let mut low = self.take().ok_or(OPEN)?;
            match low {
                ']' if ranges.is_empty() => return Err("a set `[]` is empty"),
                ']' => return Ok(Piece::Set { is_negated, ranges }),
                '\\' => low = self.take().ok_or(OPEN)?,
                _ => {}
            }
            let is_range = self.characters.get(self.at) == Some(&'-') && self.characters.get(self.at + 1) != Some(&']');
            if is_range {
                self.at += 1;
                ranges.push((low, self.take().ok_or(OPEN)?));
            } else {
                ranges.push((low, low));
            }
        }
    }
}

/// Matches by keeping the set of places in the pattern that the text read so far can lead to.
fn matches(pieces: &[Piece], text: &[char], separator: Option<char>) -> bool {
    let mut places = vec![false; pieces.len() + 1];
    places[0] = true;
    skip_runs(pieces, &mut places);
    for character in text {
        let mut next = vec![false; pieces.len() + 1];
        for (place, piece) in pieces.iter().enumerate().filter(|(place, _)| places[*place]) {
            let is_separator = Some(*character) == separator;
            match piece {
                Piece::Literal(wanted) => next[place + 1] |= wanted == character,
                Piece::One => next[place + 1] |= !is_separator,
                Piece::Run => next[place] |= !is_separator,
                Piece::RunAcross => next[place] = true,
                Piece::Set { is_negated, ranges } => {
                    let is_inside = ranges.iter().any(|(low, high)| low <= character && character <= high);
                    next[place + 1] |= is_inside != *is_negated;
                }
            }
        }
        skip_runs(pieces, &mut next);
        places = next;
    }
    places[pieces.len()]
}

/// A run may be empty, so what stands before it stands behind it too.
fn skip_runs(pieces: &[Piece], places: &mut [bool]) {
    for (place, piece) in pieces.iter().enumerate() {
        if places[place] && matches!(piece, Piece::Run | Piece::RunAcross) {
            places[place + 1] = true;
        }
    }
}
