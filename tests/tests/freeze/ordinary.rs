//! What is written every day: each program as it is and as a migratable function, cut everywhere. Both must give the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::task::{Poll, Waker};

use actor_core::channel::{self, Receiver, Sender};
use actor_core::microthread::{self, yield_now};
use actor_core::migratable::Suspended;
use actor_core::{migratable, select};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cuts::alone;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Dot,
    Line(u32),
    Rect { w: u32, h: u32 },
    Group(Vec<Shape>),
}

/// A channel with `values` in it, and no sender.
fn full(values: &[u32]) -> Receiver<u32> {
    let (to, from) = channel::unbounded();
    to.send_all(values.iter().copied()).unwrap();
    from
}

/// None of what is too large.
fn checked(n: u32) -> Option<u32> {
    (n < 50).then_some(n)
}

trait Area {
    fn area(&self) -> u32;
}

impl Area for Shape {
    fn area(&self) -> u32 {
        match self {
            Shape::Dot | Shape::Line(_) => 0,
            Shape::Rect { w, h } => w * h,
            Shape::Group(all) => all.iter().map(Area::area).sum(),
        }
    }
}

macro_rules! both {
    ($($(#[$meta:meta])* fn $name:ident $([$($generics:tt)*])? ($($args:tt)*) -> $out:ty $body:block)*) => {
        #[expect(clippy::all, reason = "it is written as people write, and not as it should be")]
        mod plain {
            #[allow(unused_imports)]
            use super::*;
            $($(#[$meta])* pub(super) fn $name $(<$($generics)*>)? ($($args)*) -> $out $body)*
        }
        mod kept {
            #[allow(unused_imports)]
            use super::*;
            $($(#[$meta])* #[migratable] pub(super) fn $name $(<$($generics)*>)? ($($args)*) -> $out $body)*
        }
    };
}

macro_rules! same {
    ($name:ident($($arg:expr),*)) => {
        assert_eq!(alone(|| kept::$name($($arg),*)), format!("{:?}", plain::$name($($arg),*)))
    };
}

/// A channel that nobody receives from.
fn lost() -> Sender<String> {
    channel::unbounded().0
}

both! {
    fn errors_that_are_kept(
        full: Receiver<u32>,
        lost: Sender<String>
    ) -> Vec<String> {
        let mut out = Vec::new();
        for _ in 0..2 {
            let received = full.recv();
            yield_now();
            match received {
                Ok(n) => out.push(n.to_string()),
                Err(error) => out.push(format!("{error:?}")),
            }
        }
        let sent = lost.send("what is given back".to_owned());
        yield_now();
        let at_once = (lost.try_send("again".to_owned()), full.try_recv());
        yield_now();
        out.push(sent.unwrap_err().into_inner());
        match at_once {
            (Err(one), Err(other)) => out.push(format!("{one:?} {other:?}")),
            _ => out.push("no error".to_owned()),
        }
        out
    }

    fn guards_that_leave(from: Receiver<u32>, kept: String) -> Vec<u32> {
        let mut out = Vec::new();
        let last = 'all: loop {
            match from.recv() {
                Ok(n) if {
                    if n == 9 {
                        break 'all n + kept.len() as u32;
                    }
                    n % 2 == 0
                } => out.push(n),
                Ok(n) if {
                    if n == 5 {
                        continue;
                    }
                    n > 6
                } => {
                    yield_now();
                    out.push(n * 10);
                }
                Ok(n) if {
                    if n == 3 {
                        return vec![n];
                    }
                    false
                } => out.push(0),
                Ok(n) => out.push(n * 100),
                Err(_) => return out,
            }
            yield_now();
        };
        out.push(last);
        out
    }

    fn a_guard_that_alone_goes_on(shapes: Vec<Shape>) -> u32 {
        let mut sum = 0;
        'shapes: for shape in shapes {
            let more = loop {
                match &shape {
                    Shape::Line(n) if {
                        if *n == 2 {
                            continue 'shapes;
                        }
                        *n < 100
                    } => break *n,
                    Shape::Rect { w, .. } if checked(*w).is_none() => break 1,
                    _ => {}
                }
                yield_now();
                sum += 1_000;
                break 7;
            };
            yield_now();
            sum += more;
        }
        sum
    }

    fn a_guard_that_fails(values: Receiver<u32>) -> Option<u32> {
        let mut sum = 0;
        loop {
            match values.recv() {
                Ok(n) if checked(n)? > 3 => {
                    yield_now();
                    sum += n;
                }
                Ok(_) => sum += 100,
                Err(_) => return Some(sum),
            }
        }
    }

    fn bindings(shapes: Vec<Shape>) -> Vec<String> {
        let mut out = Vec::new();
        for shape in shapes {
            let text = match shape {
                ref dot @ Shape::Dot => {
                    let text = format!("{dot:?}");
                    yield_now();
                    text
                }
                Shape::Line(n @ 1..=9) => {
                    yield_now();
                    format!("short {n}")
                }
                Shape::Line(n) if n % 2 == 0 => {
                    yield_now();
                    format!("even {n}")
                }
                Shape::Line(..) => "long".to_owned(),
                Shape::Rect { w, h: height } if w == height => {
                    yield_now();
                    format!("square {w}")
                }
                Shape::Rect { w, .. } => {
                    let mut w = w;
                    while w > 3 {
                        yield_now();
                        w -= 3;
                    }
                    format!("rect {w}")
                }
                Shape::Group(inner) => match &inner[..] {
                    [] => "empty".to_owned(),
                    [only] => format!("one {only:?}"),
                    [first, .., last] => format!("{first:?}..{last:?}"),
                },
            };
            out.push(text);
        }
        out
    }

    fn chains(map: BTreeMap<String, u32>, from: Receiver<u32>) -> Vec<u32> {
        let mut out = Vec::new();
        if let Some(&a) = map.get("a")
            && a > 0
            && let Ok(b) = from.recv()
            && b > a
        {
            yield_now();
            out.push(a + b);
        } else if let Some(c) = map.get("c") {
            out.push(*c);
        } else {
            yield_now();
        }
        while let Ok(n) = from.recv()
            && n != 0
        {
            out.push(n);
        }
        let Some(last) = out.last().copied() else {
            return Vec::new();
        };
        let Ok(next) = from.recv() else {
            yield_now();
            out.push(1000);
            return out;
        };
        out.push(last + next);
        out
    }

    fn inner_items(n: u32) -> u32 {
        const STEP: u32 = 3;
        static TABLE: [u32; 3] = [1, 10, 100];
        use std::cmp::max;
        #[derive(Serialize, Deserialize, Clone, Copy)]
        struct Pair {
            a: u32,
            b: u32,
        }
        impl Pair {
            fn sum(self) -> u32 {
                self.a + self.b
            }
        }
        fn twice(n: u32) -> u32 {
            n * 2
        }
        let mut pair = Pair { a: n, b: STEP };
        yield_now();
        pair.b += TABLE[1];
        let Pair { a, .. } = pair;
        yield_now();
        max(twice(pair.sum()), a)
    }

    fn closures(words: Vec<String>, n: usize) -> Vec<String> {
        let mut calls = 0;
        let longer = |word: &str| word.len() > n;
        let kept: Vec<String> = words.into_iter().filter(|word| longer(word)).collect();
        yield_now();
        let mut count = || {
            calls += 1;
            calls
        };
        count();
        count();
        yield_now();
        let add = move |word: String| format!("{word}{calls}");
        let all: Vec<String> = kept.into_iter().map(add).collect();
        yield_now();
        let parsed = (|| -> Result<u32, std::num::ParseIntError> {
            let n: u32 = "12".parse()?;
            Ok(n + 1)
        })();
        let mut all = all;
        all.push(format!("{parsed:?}"));
        all.sort_by(|a, b| b.cmp(a));
        yield_now();
        all
    }

    fn assignments(mut a: u32, mut b: u32) -> (u32, u32, [u32; 3], u32) {
        (a, b) = (b, a);
        yield_now();
        let mut cells = [a, b, 0];
        cells[2] = a + b;
        yield_now();
        cells[0] += cells[2];
        [_, a, _] = cells;
        yield_now();
        let (c, d);
        if a > b {
            c = 1;
        } else {
            yield_now();
            c = 2;
        }
        d = c + 1;
        let e: u32;
        if a > b {
            e = if b > 3 { 1 } else { 2 };
            yield_now();
        } else if a == b {
            return (0, 0, cells, 0);
        } else {
            match a {
                0 => e = 3,
                _ => e = 4,
            }
        }
        yield_now();
        (a, b + e, cells, d)
    }

    fn first_values_at_the_end(n: u32) -> u32 {
        let (x, y);
        yield_now();
        if n > 1 {
            return if n > 2 { x = n; x } else { x = 7; x + n };
        }
        { y = n; y + 1 }
    }

    fn unsafe_code(n: u32) -> u32 {
        yield_now();
        let cell = std::cell::UnsafeCell::new(n);
        // SAFETY: nobody else has it.
        let m = unsafe { *cell.get() } + 1;
        yield_now();
        // SAFETY: as above.
        unsafe { std::hint::assert_unchecked(m > n) };
        m
    }

    fn labels(n: u32) -> Vec<u32> {
        let mut out = Vec::new();
        let found = 'outer: loop {
            for a in 1.. {
                'skip: {
                    if a % 2 == 0 {
                        break 'skip;
                    }
                    yield_now();
                    out.push(a);
                }
                let value = 'value: {
                    if a == 3 {
                        yield_now();
                        break 'value a * 10;
                    }
                    a
                };
                out.push(value);
                if a >= n {
                    break 'outer a + 100;
                }
                match a {
                    2 => continue,
                    4 => continue 'outer,
                    _ => yield_now(),
                }
                out.push(0);
            }
        };
        out.push(found);
        out
    }

    fn generic[T: Clone + Debug + Serialize + DeserializeOwned + Send + 'static, const N: usize](
        value: T,
        cells: [u8; 4],
    ) -> Vec<String>
    {
        let mut out = Vec::new();
        for i in 0..N {
            yield_now();
            out.push(format!("{:?}{i}{}", value.clone(), cells[i]));
        }
        out
    }

    fn bounded[A: Everything](shape: A, more: Vec<A>) -> u32
    {
        let mut sum = shape.area();
        yield_now();
        for other in more {
            yield_now();
            sum += other.area();
        }
        sum
    }

    fn nested_calls(from: Receiver<u32>) -> Option<u32> {
        fn add(a: u32, b: u32) -> u32 {
            a + b
        }
        let sum = add({ yield_now(); from.recv().ok()? }, add(1, from.recv().ok()?)).checked_sub(from.recv().ok()?)?;
        let text = String::from("n") + &{ yield_now(); from.recv().ok()? }.to_string() + "!";
        let all = [sum, text.len() as u32, (from.recv().ok()? as u8).into()];
        let mut total = 0u32;
        for (i, n) in all.into_iter().enumerate() {
            total += n * if i == 1 { yield_now(); from.recv().ok()? } else { 1 };
        }
        Some(if total > from.recv().ok()? { total } else { from.recv().ok()? })
    }

    fn iterations(words: Vec<String>, set: BTreeSet<u8>, map: HashMap<u8, u8>) -> String {
        let mut out = String::new();
        for (i, word) in words.iter().enumerate() {
            out += &format!("{i}{word}");
        }
        for word in words.iter().filter(|word| word.len() > 1).cloned().collect::<Vec<_>>() {
            yield_now();
            out += &word;
        }
        for i in 0..words.len() {
            yield_now();
            let word = &words[i];
            out.push_str(word);
        }
        for (a, b) in words.iter().zip(&set).map(|(a, b)| (a.clone(), *b)).collect::<Vec<_>>() {
            yield_now();
            out += &format!("{a}{b}");
        }
        for n in set.into_iter().rev().skip(1).take(2) {
            yield_now();
            out += &n.to_string();
        }
        let mut values: Vec<u8> = map.into_values().collect();
        values.sort_unstable();
        while let Some(n) = values.pop() {
            yield_now();
            out += &n.to_string();
        }
        for c in "äö".chars().collect::<Vec<_>>() {
            yield_now();
            out.push(c);
        }
        out
    }

    fn choosing(a: Receiver<u32>, b: Receiver<u32>) -> Vec<Option<u32>> {
        let mut out = Vec::new();
        let mut left = 3u32;
        while left > 0 {
            yield_now();
            let got = select! {
                biased;
                recv(&a) -> n => n.ok().map(|n| n + 1),
                recv(&b) -> n => n.ok(),
            };
            if let Some(n @ 2..) = got {
                microthread::yield_now();
                left -= 1;
                out.push(Some(n));
                continue;
            }
            out.push(got);
            if got.is_none() {
                break;
            }
        }
        out
    }

    #[allow(unused_assignments, clippy::let_and_return)]
    fn attributes(n: u32) -> u32 {
        #[allow(unused_variables)]
        let unused = 5;
        let mut m = 0;
        #[cfg(not(unix))]
        {
            m = 1000;
        }
        #[cfg(unix)]
        {
            yield_now();
            m = n;
        }
        yield_now();
        if cfg!(debug_assertions) { m } else { n }
    }

    fn in_macros(words: Vec<String>) -> Option<u32> {
        let mut sum = 0;
        for word in words {
            yield_now();
            let text = format!("{}", word.strip_prefix("n")?);
            let parsed = vec![match text.parse::<u32>() {
                Ok(0) => continue,
                Ok(99) => break,
                Ok(100) => return None,
                Ok(n) => n,
                Err(_) => return Some(1000),
            }];
            assert!(parsed.first()? > &0, "{}", text.get(..1)?);
            sum += parsed[0];
        }
        Some(sum)
    }

    fn shadowed_in_arms(n: Option<u32>) -> u32 {
        let x = n;
        let x = match x {
            Some(x) => {
                yield_now();
                let x = x + 1;
                yield_now();
                x
            }
            None => 7,
        };
        let x = if let Some(x) = Some(x).filter(|x| *x > 3) {
            yield_now();
            x * 2
        } else {
            x
        };
        yield_now();
        let f = |x: u32| {
            let x = x + 1;
            x
        };
        f(x) + x
    }
}

/// What a generic one asks for.
trait Everything: Area + Serialize + DeserializeOwned + Send + 'static {}
impl Everything for Shape {}

#[test]
fn patterns_bind_what_they_bind() {
    let shapes = || {
        use Shape::{Dot, Group, Line, Rect};
        vec![
            Dot,
            Line(3),
            Line(12),
            Line(13),
            Rect { w: 2, h: 2 },
            Rect { w: 8, h: 1 },
            Group(vec![]),
            Group(vec![Dot]),
            Group(vec![Dot, Line(1)]),
        ]
    };
    same!(bindings(shapes()));
}

#[test]
fn conditions_are_chained() {
    let map = |key: &str| BTreeMap::from([(key.to_owned(), 1)]);
    same!(chains(map("a"), full(&[5, 6, 0, 7])));
    same!(chains(map("a"), full(&[1, 6, 0])));
    same!(chains(map("c"), full(&[])));
    same!(chains(map("x"), full(&[0, 1])));
}

#[test]
fn items_and_unsafe_code_may_stand_in_a_function() {
    same!(inner_items(4));
    same!(unsafe_code(4));
    same!(attributes(4));
}

#[test]
fn closures_use_what_is_kept() {
    same!(closures(["a", "bcd", "ef"].map(String::from).into(), 1));
}

#[test]
fn what_is_assigned_is_kept() {
    same!(assignments(3, 5));
    same!(assignments(5, 3));
}

#[test]
fn what_is_returned_may_give_a_variable_its_first_value() {
    for n in 1..=3 {
        same!(first_values_at_the_end(n));
    }
}

#[test]
fn labels_and_their_values() {
    for n in [1, 3, 4, 5] {
        same!(labels(n.min(3)));
    }
}

#[test]
fn generics_of_all_kinds() {
    assert_eq!(
        alone(|| kept::generic::<String, 3>("x".into(), [1, 2, 3, 4])),
        format!(
            "{:?}",
            plain::generic::<String, 3>("x".into(), [1, 2, 3, 4])
        )
    );
    let rect = || Shape::Rect { w: 2, h: 3 };
    same!(bounded(rect(), vec![Shape::Dot, rect()]));
}

#[test]
fn waits_in_the_middle_of_expressions() {
    same!(nested_calls(full(&[1, 2, 3, 4, 5, 6, 7, 8])));
    same!(nested_calls(full(&[1, 2])));
    same!(nested_calls(full(&[])));
}

#[test]
fn ways_out_of_macros() {
    for words in [
        &["n1", "n0", "n2"][..],
        &["n1", "n99", "n2"],
        &["n1", "n100"],
        &["n1", "nx"],
        &["n1", "x"],
    ] {
        let words = || words.iter().map(ToString::to_string).collect();
        same!(in_macros(words()));
    }
}

#[test]
fn collections_are_gone_through() {
    same!(iterations(
        ["a", "bc", "de"].map(String::from).into(),
        BTreeSet::from([1, 2, 3, 4]),
        HashMap::from([(1, 2), (3, 4)])
    ));
}

#[test]
fn selections_and_shadows() {
    same!(choosing(full(&[1, 2]), full(&[3])));
    same!(choosing(full(&[]), full(&[3])));
    same!(shadowed_in_arms(Some(4)));
    same!(shadowed_in_arms(None));
}

#[test]
fn jumps_out_of_a_guard_go_where_they_say() {
    for values in [&[2, 4, 5, 7, 1, 9, 8][..], &[1, 2, 3, 4], &[1, 5, 9], &[7]] {
        same!(guards_that_leave(full(values), "four".to_owned()));
    }
    let rect = |w| Shape::Rect { w, h: 1 };
    let lines = [1, 2, 200, 3, 2].map(Shape::Line);
    let all: Vec<_> = lines.into_iter().chain([rect(60), rect(6)]).collect();
    same!(a_guard_that_alone_goes_on(all.clone()));
    same!(a_guard_that_fails(full(&[1, 2, 7])));
    same!(a_guard_that_fails(full(&[7, 70, 1])));
}

#[test]
fn an_error_is_kept_across_a_wait() {
    same!(errors_that_are_kept(full(&[7]), lost()));
}

#[migratable]
fn keeps_what_is_thrown(from: Receiver<u32>) -> String {
    let received = from.recv();
    yield_now();
    let text = received.unwrap_err().to_string();
    yield_now();
    text
}

#[test]
fn an_error_that_was_thrown_is_kept_but_not_frozen() {
    let (to, from) = channel::unbounded();
    to.send_error("of its own").unwrap();
    let mut kept = Suspended::new(keeps_what_is_thrown(from));
    assert!(kept.resume(Waker::noop()).is_pending());
    let error = migratable::freeze(&kept).unwrap_err().to_string();
    assert!(
        error.contains("errors cannot be frozen: of its own"),
        "{error}"
    );
    assert!(kept.resume(Waker::noop()).is_pending());
    migratable::freeze(&kept).unwrap();
    let text = Poll::Ready("thrown in by another: of its own".to_owned());
    assert_eq!(kept.resume(Waker::noop()), text);
}
