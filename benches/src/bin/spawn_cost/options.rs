//! The command line.

use super::row::Kind;

pub(crate) const USAGE: &str = "\
usage: spawn_cost [--json] [--kind KIND].. [--n N].. [--max N] [--runs R] [--short]
  --json       one JSON object a line
  --kind KIND  os_thread, microthread, migratable, actor, actor_named, actor_supervised or actor_own_stack; may be repeated; default: all
  --n N        how many; may be repeated; default: 2 200 2000 20000 100000 1000000
  --max N      leaves out what is larger
  --runs R     measures each row R times and prints medians; default: 3
  --short      few, each once, and few visits: whether it works, not what it costs";

/// What says the same to the process that measures.
pub(crate) const SHORT: &str = "--short";

/// What the table of the article had.
const SIZES: [usize; 6] = [2, 200, 2_000, 20_000, 100_000, 1_000_000];
/// In a short run.
const FEW: [usize; 2] = [2, 200];
/// Beyond this, threads meet the limits of an ordinary system.
const MOST_THREADS: usize = 2_000;

/// What is measured for one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) n: usize,
    /// With few visits.
    pub(crate) short: bool,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    /// In a child process: measure one row.
    Measure(Job),
    Table(Options),
}

/// Which rows to print, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) runs: usize,
    short: bool,
    kinds: Vec<Kind>,
    sizes: Vec<usize>,
    max: usize,
}

impl Options {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Job> {
        let short = self.short;
        let fits =
            |job: &Job| job.n <= self.max && (job.kind != Kind::OsThread || job.n <= MOST_THREADS);
        let of_kind = move |kind| (self.sizes.iter()).map(move |&n| Job { kind, n, short });
        self.kinds.iter().copied().flat_map(of_kind).filter(fits)
    }
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        json: false,
        runs: 0,
        short: false,
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
            SHORT => options.short = true,
            "--measure" => {
                return Ok(Command::Measure(Job {
                    kind: value()?.parse()?,
                    n: number(&value()?)?,
                    short: options.short,
                }));
            }
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("`{arg}` is not an option")),
        }
    }
    if options.kinds.is_empty() {
        options.kinds = Kind::ALL.into();
    }
    let (sizes, runs): (&[usize], _) = if options.short {
        (&FEW, 1)
    } else {
        (&SIZES, 3)
    };
    if options.sizes.is_empty() {
        options.sizes = sizes.into();
    }
    if options.runs == 0 {
        options.runs = runs;
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
            Ok(Command::Table(options)) => options.rows().map(|it| (it.kind, it.n)).collect(),
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
    fn a_short_run_is_of_few_and_says_so_to_whom_it_starts() {
        assert_eq!(rows(&["--short"]).len(), 2 * Kind::ALL.len());
        let args = [SHORT, "--measure", "actor", "7"].map(str::to_owned);
        let (kind, n, short) = (Kind::Actor, 7, true);
        assert_eq!(parse(args), Ok(Command::Measure(Job { kind, n, short })));
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
