//! Continued in another process.

use actor_core::channel;
use actor_core::image::{Image, Limits};
use actor_core::migratable;
use tests::child;

use super::cuts::{World, run};
use super::programs::{Office, boss, clerk};

/// Names the image in the environment of the child, in hexadecimal.
const IMAGE: &str = "FREEZE_TEST_IMAGE";

fn office() -> Office {
    let (orders, to_clerk) = channel::bounded(1);
    let (from_clerk, out) = channel::unbounded();
    Office {
        clerk: clerk(to_clerk, from_clerk).into(),
        boss: boss(orders).into(),
        out,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn two_with_a_channel_go_on_in_a_new_process_wherever_they_were_cut() {
    let (turns, ..) = run(office(), |_| false);
    for at in 0..=turns {
        let mut world = office();
        let mut log = Vec::new();
        for _ in 0..at {
            world.turn(&mut log);
        }
        let image = hex(&migratable::freeze(&world).unwrap().encode());
        drop(world);
        let continues = || {
            let image = unhex(&std::env::var(IMAGE).unwrap());
            let image = Image::decode(&image, &Limits::default()).unwrap();
            let world: Office = migratable::thaw(&image).unwrap();
            let (_, _, seen) = run(world, |_| false);
            assert_eq!(seen, run(office(), |_| false).2);
        };
        child!(continues, &[(IMAGE, &image)]).succeeds();
    }
}
