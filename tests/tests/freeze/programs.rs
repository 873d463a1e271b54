//! Programs of all shapes that Rust has, cut at each of their suspension points.

use std::collections::{BTreeMap, HashMap, VecDeque};

use actor_core::channel::{self, Receiver, RecvError, SendError, Sender};
use actor_core::microthread::{self, yield_now};
use actor_core::migratable;
use serde::{Deserialize, Serialize};

use super::cuts::{Actor, World, alone, cut_everywhere};

#[migratable]
fn nested_loops(n: u64) -> u64 {
    let mut sum = 0;
    for a in 0..n {
        for b in a..=n {
            if b == 3 {
                continue;
            }
            yield_now();
            sum += a * b;
        }
    }
    sum
}

#[test]
fn ranges_go_on_where_they_were() {
    let expected: u64 = (0..5_u64)
        .flat_map(|a| (a..=5).filter(|b| *b != 3).map(move |b| a * b))
        .sum();
    assert_eq!(alone(|| nested_loops(5)), expected.to_string());
}

#[migratable]
fn collections(vec: Vec<String>, map: BTreeMap<u32, String>, deque: VecDeque<i8>) -> String {
    let mut out = String::new();
    for word in vec {
        yield_now();
        out += &word;
    }
    for (n, word) in map {
        yield_now();
        out.push_str(&format!(",{n}:{word}"));
    }
    for n in deque {
        yield_now();
        out = format!("{out};{n}");
    }
    for (i, letter) in ["x", "y"].map(String::from).into_iter().enumerate() {
        yield_now();
        out += &format!("[{i}{letter}]");
    }
    for n in (0..10u8).rev().step_by(3) {
        microthread::yield_now();
        out += &format!("<{n}>");
    }
    out
}

#[test]
fn collections_go_on_where_they_were() {
    let made = alone(|| {
        collections(
            vec!["a".into(), "b".into()],
            BTreeMap::from([(1, "one".into()), (2, "two".into())]),
            VecDeque::from([-1, -2]),
        )
    });
    assert_eq!(made, "\"ab,1:one,2:two;-1;-2[0x][1y]<9><6><3><0>\"");
}

#[migratable]
fn counts(words: HashMap<String, u32>) -> u32 {
    let mut sum = 0;
    for (word, n) in words {
        yield_now();
        sum += n * word.len() as u32;
    }
    sum
}

#[test]
fn a_hash_map_is_gone_through_once_each() {
    let words = || (1..6).map(|n| ("w".repeat(n), n as u32)).collect();
    assert_eq!(alone(|| counts(words())), "55");
}

#[migratable]
fn fib(n: u64) -> u64 {
    if n < 2 {
        yield_now();
        return n;
    }
    fib(n - 1).call() + fib(n - 2).call()
}

#[test]
fn recursion_goes_on_in_the_innermost_call() {
    assert_eq!(alone(|| fib(6)), "8");
}

#[migratable]
fn half(n: i32) -> Result<i32, String> {
    yield_now();
    if n % 2 != 0 {
        return Err(format!("{n} is odd"));
    }
    Ok(n / 2)
}

#[derive(Debug)]
struct Odd(#[expect(dead_code, reason = "printed")] String);

impl From<String> for Odd {
    fn from(why: String) -> Self {
        Odd(why)
    }
}

#[migratable]
fn quarter(n: i32) -> Result<i32, Odd> {
    let n = half(n).call()?;
    Ok(half(n).call()?)
}

#[test]
fn a_question_mark_converts_and_returns() {
    assert_eq!(alone(|| quarter(12)), "Ok(3)");
    assert_eq!(alone(|| quarter(6)), "Err(Odd(\"3 is odd\"))");
}

#[migratable]
fn first_word(texts: Vec<String>) -> Option<String> {
    let text = texts.into_iter().nth(1)?;
    yield_now();
    let word = text.split(' ').next()?;
    let word = word.to_owned();
    yield_now();
    Some(word)
}

#[test]
fn a_question_mark_works_on_options() {
    let texts = |n: usize| vec!["one two".to_owned(); n];
    assert_eq!(alone(|| first_word(texts(2))), "Some(\"one\")");
}

#[migratable]
fn labels(n: u32) -> (u32, &'static str) {
    let mut found = 0;
    let how = 'search: {
        'outer: for a in 1..n {
            yield_now();
            let mut b = a;
            loop {
                b += 1;
                yield_now();
                if b > n {
                    continue 'outer;
                }
                if a * b == 42 {
                    break 'outer;
                }
                if a + b == 2 * n {
                    break 'search "never";
                }
                found += 1;
            }
        }
        if found > 1000 {
            break 'search "many";
        }
        "some"
    };
    (found, how)
}

#[test]
fn labels_lead_where_they_say() {
    let mut found = 0;
    'outer: for a in 1..9 {
        for b in a + 1..=9 {
            if a * b == 42 {
                break 'outer;
            }
            found += 1;
        }
    }
    assert_eq!(alone(|| labels(9)), format!("({found}, \"some\")"));
}

#[migratable]
fn values(mut n: u32) -> u32 {
    let big = loop {
        n += 1;
        yield_now();
        if n.is_multiple_of(7) {
            break n * 10;
        }
    };
    let name = if big > 100 {
        yield_now();
        "big".to_owned()
    } else {
        String::new()
    };
    let late;
    if name.is_empty() {
        late = 1;
    } else {
        yield_now();
        late = 2;
    }
    let more = match (big, name.as_str()) {
        (1..=50, _) => 1,
        (x, "big") if x > 130 => {
            let y = { x + 1 };
            y + late
        }
        _ => 0,
    };
    yield_now();
    let Some(last) = more.checked_sub(1) else {
        yield_now();
        return 0;
    };
    yield_now();
    last
}

#[test]
fn branches_and_loops_have_values() {
    assert_eq!(alone(|| values(8)), "142");
}

#[derive(Serialize, Deserialize, Debug, Clone)]
pub(crate) enum Order {
    Add(u64),
    Move { from: u64, to: u64 },
    Stop,
}

#[migratable]
pub(crate) fn clerk(
    orders: Receiver<Order>,
    out: Sender<String>,
) -> Result<u64, SendError<String>> {
    let mut total = 0;
    let mut moves = 0;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Add(n) => {
                out.send(format!("add {n}"))?;
                total += n;
            }
            Order::Move { from, to } if from != to => {
                out.send(format!("from {from}"))?;
                moves += 1;
                out.send(format!("to {to}, {moves}"))?;
                total = total + to - from;
            }
            Order::Move { .. } => continue,
            Order::Stop => break,
        }
        yield_now();
    }
    Ok(total)
}

#[migratable]
pub(crate) fn boss(orders: Sender<Order>) -> bool {
    for n in 1..=3 {
        if orders.send(Order::Add(n)).is_err() {
            return false;
        }
    }
    let sent = orders.send(Order::Move { from: 1, to: 5 }).is_ok()
        && orders.send(Order::Move { from: 1, to: 1 }).is_ok()
        && orders.send(Order::Stop).is_ok();
    sent
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Office {
    pub(crate) clerk: Actor<clerk>,
    pub(crate) boss: Actor<boss>,
    pub(crate) out: Receiver<String>,
}

impl World for Office {
    type Seen = Vec<String>;

    fn turn(&mut self, log: &mut Vec<String>) -> bool {
        let boss = self.boss.turn(log);
        self.clerk.turn(log) && boss
    }

    fn seen(self) -> Vec<String> {
        self.out.try_iter().collect()
    }
}

#[test]
fn two_with_a_channel_between_them_go_on_together() {
    for capacity in [0, 1, 100] {
        let (log, seen) = cut_everywhere(|| {
            let (orders, to_clerk) = channel::bounded(capacity);
            let (from_clerk, out) = channel::unbounded();
            Office {
                clerk: clerk(to_clerk, from_clerk).into(),
                boss: boss(orders).into(),
                out,
            }
        });
        assert_eq!(seen, ["add 1", "add 2", "add 3", "from 1", "to 5, 1"]);
        assert!(log[0].ends_with("boss gave true"), "{log:?}");
        assert!(log[1].ends_with("clerk gave Ok(10)"), "{log:?}");
    }
}

#[migratable]
fn operands(
    from: Receiver<u64>,
    results: Sender<(u64, bool, String)>,
) -> Result<Vec<u64>, RecvError> {
    let mut kept = vec![from.recv()?, from.recv()? * 2];
    let offset = 100;
    let sum = offset + from.recv()? - kept[0];
    kept.push(from.recv()?);
    let ok = from.recv()? > 1 && from.recv()? > 1 || from.recv()? == 3;
    let text = format!("{} {} {sum}", kept.len(), from.recv()?);
    let point = Point {
        x: from.recv()?,
        ..Point::default()
    };
    kept.push(point.x + point.y);
    let at = from.recv()? as usize;
    kept[at] += from.recv()?;
    let _ = results.send((sum, ok, text));
    Ok(kept)
}

#[derive(Default)]
struct Point {
    x: u64,
    y: u64,
}

#[derive(Serialize, Deserialize)]
struct Sums {
    operands: Actor<operands>,
    feed: Actor<feed>,
    results: Receiver<(u64, bool, String)>,
}

#[migratable]
pub(crate) fn feed(to: Sender<u64>, values: Vec<u64>) {
    for value in values {
        if to.send(value).is_err() {
            return;
        }
    }
}

impl World for Sums {
    type Seen = Vec<(u64, bool, String)>;

    fn turn(&mut self, log: &mut Vec<String>) -> bool {
        let fed = self.feed.turn(log);
        self.operands.turn(log) && fed
    }

    fn seen(self) -> Self::Seen {
        self.results.try_iter().collect()
    }
}

#[test]
fn a_receive_can_stand_anywhere() {
    let (log, seen) = cut_everywhere(|| {
        let (to, from) = channel::rendezvous();
        let (out, results) = channel::unbounded();
        Sums {
            operands: operands(from, out).into(),
            //                    kept   sum kept  ok      text x  index += more
            feed: feed(to, vec![7, 8, 1, 9, 2, 1, 3, 4, 5, 1, 10]).into(),
            results,
        }
    });
    assert_eq!(seen, [(94, true, "3 4 94".to_owned())]);
    let given = log.iter().find(|line| line.contains("operands")).unwrap();
    assert!(given.ends_with("Ok([7, 26, 9, 5])"), "{given}");
}

#[migratable]
fn shadows(n: u32) -> String {
    let x = n;
    let mut out = String::new();
    {
        let x = format!("inner {x}");
        yield_now();
        out += &x;
        let x = x.len();
        yield_now();
        out += &format!(" {x}");
    }
    match Some(x + 1) {
        Some(x) if x > 100 => yield_now(),
        Some(x) => {
            yield_now();
            out += &format!(" arm {x}");
        }
        None => {}
    }
    for x in 0..2 {
        yield_now();
        out += &format!(" {x:?}");
    }
    out + &format!(" outer {x}")
}

#[test]
fn names_may_be_used_again() {
    assert_eq!(alone(|| shadows(5)), "\"inner 5 7 arm 6 0 1 outer 5\"");
}

#[migratable]
fn moved_and_given_back(n: u32) -> Vec<String> {
    let mut all = Vec::new();
    let mut current = String::from("0");
    for i in 1..n {
        all.push(current);
        yield_now();
        current = i.to_string();
    }
    all.push(current);
    all
}

#[test]
fn a_variable_may_be_moved_and_assigned_again() {
    assert_eq!(alone(|| moved_and_given_back(4)), r#"["0", "1", "2", "3"]"#);
}

#[migratable]
fn borrows_between(mut words: Vec<String>) -> usize {
    let mut total = 0;
    while let Some(first) = words.first() {
        let length = first.len();
        yield_now();
        total += length;
        let last = words.last_mut();
        if let Some(last) = last {
            last.push('!');
        }
        yield_now();
        words.remove(0);
    }
    total
}

#[test]
fn what_is_borrowed_between_waits_is_borrowed_again() {
    assert_eq!(
        alone(|| borrows_between(vec!["a".into(), "bc".into()])),
        "4"
    );
}

#[migratable]
fn generic<T: Clone + Serialize + for<'a> Deserialize<'a> + Send + 'static>(
    value: T,
    (n, _): (usize, u8),
) -> Vec<T> {
    let mut all = vec![];
    for _ in 0..n {
        yield_now();
        all.push(value.clone());
    }
    all
}

#[test]
fn a_function_may_be_generic() {
    assert_eq!(
        alone(|| generic("x".to_owned(), (3, 0))),
        r#"["x", "x", "x"]"#
    );
}

#[migratable]
fn formats(n: u32) -> String {
    let x = n;
    let mut out = String::new();
    {
        let x = x + 1;
        let width = 4;
        {
            let width = width - 1;
            yield_now();
            // Captured, named, escaped, in the width, and in strings that are no formats.
            out += &format!("{x}|{y}|{{x}}|{x:>width$}|{0}", "{x}", y = x * 2);
            out += &format!("|{x}|{width:?}", x = "named", width = width + 1);
            out.push_str("|{x} {width}");
        }
        assert_eq!(width, 4, "{x} and {width}");
        yield_now();
        out += &format!("|{x:.*}", 2, x = 1.0);
    }
    let late = format!("|{late}", late = x);
    yield_now();
    let late_too = late;
    out + &late_too
}

#[test]
fn format_strings_name_what_they_name() {
    assert_eq!(
        alone(|| formats(6)),
        r#""7|14|{x}|  7|{x}|named|4|{x} {width}|1.00|6""#
    );
}

fn total(n: u32) -> u32 {
    n * 100
}

#[migratable]
fn names_of_others(n: u32) -> u32 {
    let sum = total(n);
    yield_now();
    let total = total(1) + sum;
    yield_now();
    total
}

#[test]
fn a_variable_may_have_the_name_of_a_function() {
    assert_eq!(alone(|| names_of_others(2)), "300");
}
