//! Images that are all but right, for whoever reads what strangers say.

/// Writes the length and the checksum of an image as they should be, so that the layers behind them are reached.
pub fn put_right(bytes: &mut [u8]) {
    if bytes.len() < 36 {
        return;
    }
    let payload = bytes.len().saturating_sub(36 + usize::from(bytes[7]));
    bytes[28..32].copy_from_slice(&(payload as u32).to_be_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..32]);
    hasher.update(&bytes[36..]);
    let sum = hasher.finalize();
    bytes[32..36].copy_from_slice(&sum.to_be_bytes());
}

/// Changes an image somewhere, mostly so that only a layer behind the checksum can tell.
pub fn spoil(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..4) {
        mutate(bytes, rng);
    }
    if rng.u8(..8) != 0 {
        put_right(bytes);
    }
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    let length = bytes.len();
    if length == 0 {
        return bytes.push(rng.u8(..));
    }
    // The header and what begins the payload, or anywhere.
    let at = match rng.bool() {
        true => rng.usize(..length),
        false => rng.usize(..length.min(100)),
    };
    match rng.u8(..9) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << rng.u8(..8),
        2 => bytes[at] = rng.u8(..),
        3 => bytes.insert(at, rng.u8(..)),
        4 => drop(bytes.remove(at)),
        // What begins a container, a text or something wide, with a length that may be anything.
        5 => {
            const WIDE: [u8; 12] = [
                0xc1, 0xc4, 0xc6, 0xc9, 0xcf, 0xd8, 0xdb, 0xdc, 0xdd, 0xdf, 0x9f, 0x8f,
            ];
            bytes[at] = WIDE[rng.usize(..WIDE.len())];
            for byte in bytes.iter_mut().skip(at + 1).take(rng.usize(..5)) {
                *byte = if rng.bool() { 0 } else { 0xff };
            }
        }
        // Deep.
        6 => {
            let nested = rng.usize(1..80);
            let at = at.max(length.min(36 + usize::from(*bytes.get(7).unwrap_or(&0))));
            bytes.splice(at..at, std::iter::repeat_n(0x91, nested));
        }
        // A number at its end.
        7 => {
            let end = length.min(at + 9);
            bytes[at..end].fill(0xff);
            bytes[at] = 0xcf;
        }
        // Much.
        _ => {
            let end = length.min(at + rng.usize(1..200));
            let copy = bytes[at..end].to_vec();
            (0..rng.usize(..20)).for_each(|_| bytes.extend_from_slice(&copy));
        }
    }
}
