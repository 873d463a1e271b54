use super::*;
use proptest::prelude::*;

type Requests = Vec<Vec<Vec<u8>>>;

/// Everything a decoder makes of the chunks, up to the first error.
fn decode<'a>(
    limits: Limits,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Requests, Option<ProtocolError>) {
    let mut decoder = Decoder::new(limits);
    let mut requests = Vec::new();
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let space = decoder.space();
            let n = chunk.len().min(space.len());
            space[..n].copy_from_slice(&chunk[..n]);
            decoder.filled(n);
            chunk = &chunk[n..];
            loop {
                match decoder.next_request() {
                    Ok(Some(request)) => {
                        requests.push(request.from(0).map(<[u8]>::to_vec).collect())
                    }
                    Ok(None) => break,
                    Err(error) => return (requests, Some(error)),
                }
            }
        }
    }
    (requests, None)
}

fn decode_whole(bytes: &[u8]) -> (Requests, Option<ProtocolError>) {
    decode(Limits::default(), std::iter::once(bytes))
}

fn encode(request: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    crate::reply::array(&mut out, request.len());
    request
        .iter()
        .for_each(|arg| crate::reply::bulk(&mut out, arg));
    out
}

/// Small, so that arbitrary input reaches them.
const SMALL: Limits = Limits {
    bulk: 20,
    args: 5,
    line: 12,
    request: 1 << 20,
};

fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"*1\r\n",
        b"*2\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*9\r\n",
        b"*",
        b"$",
        b"$3\r\n",
        b"$0\r\n",
        b"$-1\r\n",
        b"$99\r\n",
        b"GET",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\"",
        b"'",
        b"\\",
        b"ab\r\n",
        b":1\r\n",
        b"$3\r\nGET\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"0123456789abcdef",
    ];
    let word = prop_oneof![
        9 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_bytes_in_any_chunks_decode_as_in_one(
        bytes in fragments(),
        sizes in proptest::collection::vec(1usize..9, 1..8),
    ) {
        let whole = decode(SMALL, std::iter::once(&bytes[..]));
        let mut sizes = sizes.iter().cycle();
        let mut rest = &bytes[..];
        let chunks = std::iter::from_fn(|| {
            let (chunk, tail) = rest.split_at(rest.len().min(*sizes.next()?));
            rest = tail;
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(decode(SMALL, chunks), whole);
    }

    #[test]
    fn what_was_encoded_is_decoded(
        requests in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6), 0..10),
        chunk in 1usize..50,
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
        prop_assert_eq!(decode(Limits::default(), bytes.chunks(chunk)), (requests, None));
    }
}

#[test]
fn errors_have_the_texts_of_redis() {
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            b"*a\r\n".to_vec(),
            "ERR Protocol error: invalid multibulk length",
        ),
        (
            b"*1048577\r\n".to_vec(),
            "ERR Protocol error: invalid multibulk length",
        ),
        (
            b"*2\r\n:x\r\n".to_vec(),
            "ERR Protocol error: expected '$', got ':'",
        ),
        (
            b"*1\r\n$-1\r\n".to_vec(),
            "ERR Protocol error: invalid bulk length",
        ),
        (
            b"*1\r\n$a\r\n".to_vec(),
            "ERR Protocol error: invalid bulk length",
        ),
        (
            b"*1\r\n$536870913\r\n".to_vec(),
            "ERR Protocol error: invalid bulk length",
        ),
        (
            [b"*".to_vec(), vec![b'1'; 70_000]].concat(),
            "ERR Protocol error: too big mbulk count string",
        ),
        (
            [b"*1\r\n$".to_vec(), vec![b'1'; 70_000]].concat(),
            "ERR Protocol error: too big bulk count string",
        ),
        (
            vec![b'a'; 70_000],
            "ERR Protocol error: too big inline request",
        ),
        (
            b"set \"a\r\n".to_vec(),
            "ERR Protocol error: unbalanced quotes in request",
        ),
    ];
    for (bytes, text) in cases {
        let (requests, error) = decode_whole(&bytes);
        assert!(requests.is_empty());
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(text));
    }
}

#[test]
fn empty_requests_are_skipped() {
    let (requests, error) = decode_whole(b"\r\n*0\r\n*-1\r\n\n  \r\nPING\r\n");
    assert_eq!((requests, error), (vec![vec![b"PING".to_vec()]], None));
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let mut decoder = Decoder::new(Limits::default());
    let claim = b"*1048576\r\n$536870912\r\nabc";
    decoder.space()[..claim.len()].copy_from_slice(claim);
    decoder.filled(claim.len());
    assert!(decoder.next_request().unwrap().is_none());
    assert!(decoder.buf.capacity() <= FIRST && decoder.spans.capacity() < 16);
    assert_eq!(decoder.space().len(), FIRST - claim.len());
}

#[test]
fn a_large_request_gives_its_memory_back() {
    let request = encode(&[b"SET".to_vec(), vec![b'x'; 10 * READ]]);
    let mut decoder = Decoder::new(Limits::default());
    for chunk in request.chunks(1000) {
        let mut chunk = chunk;
        while !chunk.is_empty() {
            let space = decoder.space();
            let n = chunk.len().min(space.len());
            space[..n].copy_from_slice(&chunk[..n]);
            decoder.filled(n);
            chunk = &chunk[n..];
        }
    }
    assert_eq!(decoder.next_request().unwrap().unwrap().len(), 2);
    assert_eq!(decoder.space().len(), FIRST);
}

#[test]
fn the_buffer_grows_for_who_fills_it_and_shrinks_when_told() {
    let mut decoder = Decoder::new(Limits::default());
    let mut sizes = Vec::new();
    for _ in 0..7 {
        let space = decoder.space();
        sizes.push(space.len());
        space.fill(b'\n'); // empty requests
        let n = space.len();
        decoder.filled(n);
        assert!(decoder.next_request().unwrap().is_none());
    }
    assert_eq!(
        sizes,
        [FIRST, FIRST * 2, FIRST * 4, FIRST * 8, READ, READ, READ]
    );
    // One byte less than all: there was no more.
    decoder.space();
    decoder.filled(1);
    assert_eq!(decoder.memory(), READ);
    decoder.shrink();
    assert_eq!((decoder.memory(), decoder.buffered()), (READ, 1), "in use");
    decoder.space()[..5].copy_from_slice(b"PING\n");
    decoder.filled(5);
    assert!(
        decoder
            .next_request()
            .is_ok_and(|request| request.is_some())
    );
    decoder.shrink();
    assert_eq!(decoder.memory(), 0);
    assert_eq!(decoder.space().len(), FIRST);
}

#[test]
fn a_request_over_the_limit_is_refused_before_it_is_stored() {
    let limits = Limits {
        request: 100,
        ..Limits::default()
    };
    let bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$90\r\n";
    assert_eq!(
        decode(limits, std::iter::once(&bytes[..])).1,
        Some(ProtocolError::RequestTooLong)
    );
}
