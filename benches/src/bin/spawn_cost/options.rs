//! The command line.

use super::row::Kind;

pub(crate) const USAGE: &str = "\
usage: spawn_cost [--json] [--kind KIND].. [--n N].. [--max N] [--runs R]
  --json       one JSON object a line
  --kind KIND  os_thread, microthread, migratable, actor, actor_named, actor_supervised or actor_own_stack; may be repeated; default: all
  --n N        how many; may be repeated; default: 2 200 2000 20000 100000 1000000
  --max N      leaves out what is larger
  --runs R     measures each row R times and prints medians; default: 3";

/// What the table of the article had.
const SIZES: [usize; 6] = [2, 200, 2_000, 20_000, 100_000, 1_000_000];
/// Beyond this, threads meet the limits of an ordinary system.
const MOST_THREADS: usize = 2_000;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    /// In a child process: measure one row.
    Measure(Kind, usize),
    Table(Options),
}

/// Which rows to print, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) runs: usize,
    kinds: Vec<Kind>,
    sizes: Vec<usize>,
    max: usize,
}

impl Options {
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Kind, usize)> {
        let fits = |kind, n| n <= self.max && (kind != Kind::OsThread || n <= MOST_THREADS);
        let kinds = self.kinds.iter().copied();
        kinds
            .flat_map(|kind| self.sizes.iter().map(move |n| (kind, *n)))
            .filter(move |(kind, n)| fits(*kind, *n))
    }
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        json: false,
        runs: 3,
        kinds: Vec::new(),
        sizes: Vec::new(),
        max: usize::MAX,
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` takes a value"));
        match &*arg {
            "--json" => options.json = true,
            "--kind" => options.kinds.push(value()?.parse()?),
            "--n" => options.sizes.push(number(&value()?)?),
            "--max" => options.max = number(&value()?)?,
            "--runs" => options.runs = number(&value()?)?,
            "--measure" => return Ok(Command::Measure(value()?.parse()?, number(&value()?)?)),
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("`{arg}` is not an option")),
        }
    }
    if options.kinds.is_empty() {
        options.kinds = Kind::ALL.into();
    }
    if options.sizes.is_empty() {
        options.sizes = SIZES.into();
    }
    Ok(Command::Table(options))
}

/// A number of at least one; `1_000_000` and `1,000,000` are read too.
fn number(text: &str) -> Result<usize, String> {
    let digits = text.replace(['_', ','], "");
    match digits.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{text}` is not a number of at least one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(args: &[&str]) -> Vec<(Kind, usize)> {
        match parse(args.iter().map(ToString::to_string)) {
            Ok(Command::Table(options)) => options.rows().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_arguments_it_is_the_whole_table_with_few_threads() {
        let all = rows(&[]);
        assert_eq!(all.len(), 3 + 6 * 6);
        assert_eq!(all.iter().filter(|row| row.0 == Kind::OsThread).count(), 3);
    }

    #[test]
    fn kinds_and_sizes_are_chosen_together() {
        let chosen = rows(&[
            "--kind", "actor", "--n", "5", "--n", "1,000", "--max", "100",
        ]);
        assert_eq!(chosen, [(Kind::Actor, 5)]);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for args in [
            &["--kind", "fibre"][..],
            &["--n"],
            &["--n", "0"],
            &["--frob"],
        ] {
            assert!(
                parse(args.iter().map(ToString::to_string)).is_err(),
                "{args:?}"
            );
        }
    }
}
