//! What a peer that knows the secret can have a node do, if it means ill: little, and to nobody else.

use std::time::Duration;

use actor_core::System;
use actor_core::image::{Head, Image, Kind};
use actor_core::migrate::{
    FarError, FarSide, LocalFarSide, MoveError, Node, NodeBuilder, NodeError, PeerLimits, Place,
    local_pair,
};
use serde::Serialize;
use tests::{Gate, within};

use super::peer::{
    BARREN, Garden, GardenMsg, GardenReply, Narrow, NarrowMsg, Touchy, Tree, a_garden, answer,
    connect, forward, hears, image_of, offer, peer, serves, told, world,
};
use super::said::{Message, Packed, Refusal, Wire};

#[test]
fn what_is_offered_and_never_decided_is_bounded_and_settled_it_makes_room() {
    within(60, || {
        let image = a_garden();
        let one = image.encode().len() + 1024;
        let mut limits = PeerLimits::default();
        limits.undecided = 10 * one;
        let world = world("there", |it| it.peer_limits(limits));
        let hostile = peer(&world, "hostile");
        let accepted = |n: u128| {
            let name = format!("thing {n}");
            hostile.send(&offer(&name, 0, n, image)).unwrap();
            match hears(&hostile, &name) {
                Message::Accept { offer, ticket } if offer == n => Ok(ticket),
                Message::Refuse { offer, why } if offer == n => Err(why),
                other => panic!("{other:?}"),
            }
        };
        let tickets: Vec<_> = (0..10).map(|n| accepted(n).unwrap()).collect();
        assert_eq!(accepted(10), Err(Refusal::Full));
        // Also by another way, as the same node.
        let hostile = peer(&world, "hostile");
        hostile.send(&offer("thing 11", 0, 11, image)).unwrap();
        let why = Refusal::Full;
        assert_eq!(
            hears(&hostile, "thing 11"),
            Message::Refuse { offer: 11, why }
        );
        // That is no matter to others.
        serves(&world);
        let other = peer(&world, "other");
        other.send(&offer("thing 12", 0, 12, image)).unwrap();
        assert!(matches!(hears(&other, "thing 12"), Message::Accept { .. }));
        // One that is given up makes room for one, and one that comes to live here.
        let (offer_, ticket) = (3, tickets[3]);
        let abort = Message::Abort {
            offer: offer_,
            ticket,
        };
        hostile.send(&Wire::of("thing 3", abort)).unwrap();
        let (offer_, ticket) = (4, tickets[4]);
        let commit = Message::Commit {
            epoch: 0,
            offer: offer_,
            ticket,
        };
        hostile.send(&Wire::of("thing 4", commit)).unwrap();
        while !matches!(hears(&hostile, "thing 4"), Message::Confirm { .. }) {}
        for n in [20, 21] {
            let name = format!("thing {n}");
            hostile.send(&offer(&name, 0, n, image)).unwrap();
            assert!(
                matches!(hears(&hostile, &name), Message::Accept { .. }),
                "{n}"
            );
        }
        hostile.send(&offer("thing 22", 0, 22, image)).unwrap();
        let why = Refusal::Full;
        assert_eq!(
            hears(&hostile, "thing 22"),
            Message::Refuse { offer: 22, why }
        );
    });
}

#[test]
fn messages_for_what_is_not_decided_are_bounded_and_those_that_were_taken_arrive() {
    within(60, || {
        let image = a_garden();
        let mut limits = PeerLimits::default();
        limits.undecided = 64 << 10;
        let world = world("there", |it| it.peer_limits(limits));
        let hostile = peer(&world, "hostile");
        hostile.send(&offer("garden", 0, 1, image)).unwrap();
        let Message::Accept { offer, ticket } = hears(&hostile, "garden") else {
            panic!("refused")
        };
        for n in 0..1000 {
            let call = (n % 2 == 1).then_some(u128::from(n));
            let message = told("garden", call, &GardenMsg::Add { n });
            hostile.send(&message).unwrap();
        }
        // Those beyond have no answer, now. What is taken is less than what is counted for it.
        let (first, none) = answer(&hostile);
        assert_eq!(none, None);
        assert!((3..64).contains(&first), "{first}");
        let commit = Message::Commit {
            epoch: 0,
            offer,
            ticket,
        };
        hostile.send(&Wire::of("garden", commit)).unwrap();
        while !matches!(hears(&hostile, "garden"), Message::Confirm { .. }) {}
        let garden = world.node.actor::<Garden>("garden").unwrap();
        let entries = garden.ask().entries().unwrap();
        let whole: Vec<_> = (0..first as u64).collect();
        assert_eq!(entries[..whole.len()], whole);
        assert!(entries.len() < 64, "{}", entries.len());
    });
}

#[test]
fn calls_that_are_not_answered_are_bounded_and_others_are() {
    within(60, || {
        let gate = Gate::new();
        let mut limits = PeerLimits::default();
        limits.calls = 10;
        let world = world("there", |it| it.peer_limits(limits));
        let held = Garden {
            gate: Some(gate.clone()),
            ..Garden::default()
        };
        let garden = world.sys.spawn(held).unwrap();
        world.node.adopt("garden", &garden).unwrap();
        garden.tell().wait().unwrap();
        tests::until(|| gate.waiting() == 1);
        let hostile = peer(&world, "hostile");
        for n in 0..20 {
            let message = told("garden", Some(n.into()), &GardenMsg::Add { n });
            hostile.send(&message).unwrap();
        }
        for n in 10..20 {
            assert_eq!(answer(&hostile), (n, None));
        }
        gate.open();
        for n in 0..10 {
            let (call, answer) = answer(&hostile);
            assert!(answer.is_some(), "{call}");
            assert!(call < 10, "{n}: {call}");
        }
        // There is room again.
        let message = told("garden", Some(30), &GardenMsg::Add { n: 30 });
        hostile.send(&message).unwrap();
        assert!(matches!(answer(&hostile), (30, Some(_))));
        assert_eq!(garden.ask().entries().unwrap().len(), 11);
    });
}

#[test]
fn an_answer_counts_from_whom_it_was_asked_only() {
    within(60, || {
        let world = world("there", |it| it);
        let garden = world.sys.spawn(Garden::default()).unwrap();
        world.node.adopt("garden", &garden).unwrap();
        let (honest, hostile) = (peer(&world, "honest"), peer(&world, "hostile"));
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| world.node.migrate("garden", "honest").unwrap());
            let Message::Offer { epoch, offer, .. } = hears(&honest, "garden") else {
                panic!("no offer")
            };
            assert_eq!(epoch, 0);
            let ticket = 1;
            let accept = Message::Accept { offer, ticket };
            honest.send(&Wire::of("garden", accept)).unwrap();
            assert!(matches!(hears(&honest, "garden"), Message::Commit { .. }));
            let confirm = Message::Confirm { offer, ticket };
            honest.send(&Wire::of("garden", confirm)).unwrap();
            moving.join().unwrap();
        });
        let asked = garden.request().add(1);
        let call = loop {
            if let Wire::Forward { call, .. } = Wire::decode(&honest.recv().unwrap()) {
                break call.unwrap();
            }
        };
        let image = |n: usize| {
            let head = Head::new(Kind::Data, a_garden().head().name());
            let image = Image::of(head, &GardenReply::Add(n)).unwrap();
            Some(Packed(image.encode()))
        };
        let answer = |n| {
            Wire::Answer {
                call,
                answer: image(n),
            }
            .encode()
        };
        hostile.send(&answer(666)).unwrap();
        hostile
            .send(&Wire::Answer { call, answer: None }.encode())
            .unwrap();
        // It has been heard when this is refused.
        hostile
            .send(&offer("other", u64::MAX, 1, a_garden()))
            .unwrap();
        assert!(matches!(hears(&hostile, "other"), Message::Refuse { .. }));
        honest.send(&answer(7)).unwrap();
        assert_eq!(asked.wait().unwrap(), 7);
    });
}

#[test]
fn an_offer_of_the_last_epoch_is_refused_and_what_lives_in_it_stays() {
    within(60, || {
        let image = a_garden();
        let world = world("there", |it| it);
        let hostile = peer(&world, "hostile");
        hostile.send(&offer("garden", u64::MAX, 1, image)).unwrap();
        let Message::Refuse {
            why: Refusal::Thaw(why),
            ..
        } = hears(&hostile, "garden")
        else {
            panic!("not refused")
        };
        assert_eq!(why, "no epoch comes after this one");
        hostile
            .send(&offer("garden", u64::MAX - 1, 2, image))
            .unwrap();
        let Message::Accept { offer, ticket } = hears(&hostile, "garden") else {
            panic!("refused")
        };
        let commit = Message::Commit {
            epoch: 0,
            offer,
            ticket,
        };
        hostile.send(&Wire::of("garden", commit)).unwrap();
        while !matches!(hears(&hostile, "garden"), Message::Confirm { .. }) {}
        let other = self::world("other", |it| it);
        connect(&world, &other);
        for _ in 0..2 {
            let error = world.node.migrate("garden", "other").unwrap_err();
            assert!(matches!(error, MoveError::Refused(_)), "{error}");
            let garden = world.node.actor::<Garden>("garden").unwrap();
            garden.ask().add(1).unwrap();
        }
    });
}

#[test]
fn a_name_that_is_too_long_is_refused_here_and_not_heard_from_there() {
    within(60, || {
        let long = "n".repeat(256);
        let world = world("there", |it| it);
        let garden = world.sys.spawn(Garden::default()).unwrap();
        let error = world.node.adopt(&long, &garden).unwrap_err();
        assert!(matches!(error, NodeError::Name(256)), "{error}");
        let error = Node::builder(&long, &world.sys).start().unwrap_err();
        assert!(matches!(error, NodeError::Name(256)), "{error}");
        let (far, _own) = local_pair(world.node.name(), &long);
        let error = world.node.attach(far).unwrap_err();
        assert!(matches!(error, NodeError::Name(256)), "{error}");
        let longest = &long[1..];
        world.node.adopt(longest, &garden).unwrap();
        let hostile = peer(&world, "hostile");
        let image = a_garden();
        hostile.send(&offer(&long, 0, 1, image)).unwrap();
        hostile.send(&offer(longest, 0, 2, image)).unwrap();
        let Message::Refuse { offer: 2, why } = hears(&hostile, longest) else {
            panic!("not refused")
        };
        assert_eq!(why, Refusal::Here);
    });
}

/// What comes is read on a stack that has room for it, nested as deep as images may be.
#[test]
fn what_is_nested_as_deep_as_may_be_is_read() {
    within(60, || {
        let world = world("there", |it| it);
        let hostile = peer(&world, "hostile");
        // Each level is two in the image, and there are some around it.
        for depth in 0..40 {
            let garden = Garden::default();
            let sys = System::builder().stack_size(4 << 20).build().unwrap();
            let garden = sys.spawn(garden).unwrap();
            garden.ask().plant(Tree::deep(depth)).unwrap();
            let Ok(image) = garden.snapshot() else {
                assert!(depth > 25, "{depth}");
                break;
            };
            let name = format!("garden {depth}");
            hostile.send(&offer(&name, 0, 1, &image)).unwrap();
            assert!(
                matches!(hears(&hostile, &name), Message::Accept { .. }),
                "{depth}"
            );
        }
        serves(&world);
    });
}

#[test]
fn code_of_the_users_that_panics_at_what_is_read_ends_nothing() {
    within(60, || {
        let world = world("there", |it| it);
        let own = world.sys.spawn(Garden::default()).unwrap();
        world.node.adopt("own", &own).unwrap();
        let hostile = peer(&world, "hostile");
        let touchy = Garden {
            touchy: Touchy(1),
            ..Garden::default()
        };
        hostile
            .send(&offer("garden", 0, 1, &image_of(touchy)))
            .unwrap();
        let Message::Refuse {
            why: Refusal::Thaw(why),
            ..
        } = hears(&hostile, "garden")
        else {
            panic!("not refused")
        };
        assert_eq!(why, "it panicked: an odd number");
        for (call, n) in [(1, 1), (2, 2)] {
            let touchy = GardenMsg::Touch { touchy: Touchy(n) };
            hostile.send(&told("own", Some(call), &touchy)).unwrap();
        }
        assert_eq!(answer(&hostile), (1, None));
        assert!(matches!(answer(&hostile), (2, Some(_))));
        serves(&world);
    });
}

/// Takes nothing that is said to it.
#[derive(Debug)]
struct Deaf {
    far: LocalFarSide,
    hears: Gate,
}

impl FarSide for Deaf {
    fn node(&self) -> &str {
        self.far.node()
    }
    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if !message.is_empty() {
            self.hears.wait();
        }
        self.far.send(message)
    }
    fn recv(&self) -> Result<Vec<u8>, FarError> {
        self.far.recv()
    }
    fn close(&self) {
        self.hears.open();
        self.far.close();
    }
}

#[test]
fn what_waits_for_a_peer_that_does_not_read_is_bounded_and_who_waits_for_an_answer_learns_it() {
    within(60, || {
        let mut limits = PeerLimits::default();
        limits.queue = 4096;
        let world = world("there", |it| it.peer_limits(limits));
        let garden = world.sys.spawn(Garden::default()).unwrap();
        world.node.adopt("garden", &garden).unwrap();
        let (hostile, own) = local_pair("deaf", "there");
        let (far, hears) = (own, Gate::new());
        world.node.attach(Deaf { far, hears }).unwrap();
        // Each is answered that it is not known, as far as there is room: what is lost of that is asked again.
        for n in 0..1000 {
            let (epoch, offer, ticket) = (0, n, n);
            let commit = Message::Commit {
                epoch,
                offer,
                ticket,
            };
            hostile.send(&Wire::of("unknown", commit)).unwrap();
        }
        assert!(world.node.has_way("deaf"));
        // An answer is not asked again: for one that there is no room for the way ends.
        let message = told("garden", Some(1), &GardenMsg::Add { n: 1 });
        hostile.send(&message).unwrap();
        while hostile.recv().is_ok() {}
        tests::until(|| !world.node.has_way("deaf"));
        assert_eq!(garden.ask().entries().unwrap(), [1]);
        serves(&world);
    });
}

/// One that has no room for what comes holds up whoever sent that, and nobody else.
#[test]
fn an_actor_that_is_full_holds_up_its_sender_alone() {
    within(60, || {
        let patience = |it: NodeBuilder| it.patience(Duration::from_millis(50));
        let (world, other) = (world("there", patience), world("other", |it| it));
        connect(&world, &other);
        let gate = Gate::new();
        let narrow = Narrow {
            gate: Some(gate.clone()),
            ..Narrow::default()
        };
        let narrow = world.sys.spawn(narrow).unwrap();
        world.node.adopt("narrow", &narrow).unwrap();
        narrow.tell().wait().unwrap();
        tests::until(|| gate.waiting() == 1);
        let hostile = peer(&world, "hostile");
        let name = image_of(Narrow::default()).head().name().to_owned();
        for n in 0..10 {
            let add = NarrowMsg::Add { n };
            let message = forward("narrow", None, &name, &add);
            hostile.send(&message).unwrap();
        }
        tests::until(|| narrow.queued() >= 2);
        let error = world.node.migrate("narrow", "other").unwrap_err();
        assert!(matches!(error, MoveError::NotFrozen), "{error}");
        serves(&world);
        gate.open();
        tests::until(|| narrow.ask().add(10).unwrap() >= 10);
    });
}

/// An image of a garden, as one would write it by hand: somebody waits for the answer to the message in its queue.
#[derive(Serialize)]
struct ByHand {
    state: State,
    queue: [GardenMsg; 1],
    asks: [(u8, u32); 1],
}

#[derive(Default, Serialize)]
struct State {
    entries: Vec<u64>,
    tree: Tree,
    touchy: Touchy,
}

/// It can be read, but does not start: so it lives here, and cannot go on.
#[test]
fn who_asks_what_cannot_go_on_is_told_so() {
    within(60, || {
        let world = world("there", |it| it);
        let hostile = peer(&world, "hostile");
        let image = |entries: &[u64]| {
            let by_hand = ByHand {
                state: State {
                    entries: entries.to_vec(),
                    ..State::default()
                },
                queue: [GardenMsg::Add { n: 1 }],
                asks: [(1, 0)],
            };
            Image::of(a_garden().head().clone(), &by_hand).unwrap()
        };
        let moves = |thing: &str, number: u128, entries: &[u64]| {
            hostile
                .send(&offer(thing, 0, number, &image(entries)))
                .unwrap();
            let Message::Accept { offer, ticket } = hears(&hostile, thing) else {
                panic!("refused")
            };
            // This one waits until it is decided.
            let message = told(thing, Some(number + 1), &GardenMsg::Add { n: 2 });
            hostile.send(&message).unwrap();
            let commit = Message::Commit {
                epoch: 0,
                offer,
                ticket,
            };
            hostile.send(&Wire::of(thing, commit)).unwrap();
            // And this one comes afterwards.
            let message = told(thing, Some(number + 2), &GardenMsg::Add { n: 3 });
            hostile.send(&message).unwrap();
            let mut answers: Vec<_> = (0..3).map(|_| answer(&hostile)).collect();
            answers.sort_by_key(|it| it.0);
            answers
                .into_iter()
                .map(|it| it.1.is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(moves("one", 10, &[]), [true; 3]);
        assert_eq!(moves("other", 20, &[BARREN]), [false; 3]);
        assert!(world.node.has("one") && !world.node.has("other"));
        assert!(matches!(world.node.place("other"), Some(Place::Broken(_))));
    });
}
