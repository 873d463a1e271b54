//! The service without its actors, for tests: one session, a few stores, a clock that stands still unless told.

use crate::command::{self, Context, SessionCommand};
use crate::op::Millis;
use crate::pipeline::Pipeline;
use crate::reply;
use crate::resp::{Decoder, Limits};
use crate::session::{Answer, Client};
use crate::store::Store;

pub(crate) struct Harness {
    decoder: Decoder,
    pipeline: Pipeline,
    pub(crate) client: Client,
    pub(crate) stores: Vec<Store>,
    pub(crate) now: Millis,
    pub(crate) reply_limit: usize,
    /// Batches carried to shards.
    pub(crate) messages: usize,
}

impl Harness {
    pub(crate) fn new(shards: u32) -> Self {
        Harness {
            decoder: Decoder::new(Limits::default()),
            pipeline: Pipeline::new(shards),
            client: Client::default(),
            stores: (0..shards).map(|_| Store::new()).collect(),
            now: 1_000_000_000_000,
            reply_limit: 1 << 20,
            messages: 0,
        }
    }

    /// Sends bytes and returns all that is answered.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let space = self.decoder.space();
            let n = rest.len().min(space.len());
            space[..n].copy_from_slice(&rest[..n]);
            self.decoder.filled(n);
            rest = &rest[n..];
            if !self.parse() {
                self.flush(&mut out);
                break;
            }
            self.flush(&mut out);
        }
        out
    }

    /// Sends an inline command and returns the reply as text.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        String::from_utf8(self.send(format!("{line}\r\n").as_bytes())).unwrap()
    }

    fn parse(&mut self) -> bool {
        let cx = Context {
            now: self.now,
            shards: self.pipeline.shards(),
            max_value: 512 << 20,
        };
        loop {
            let request = match self.decoder.next_request() {
                Ok(Some(request)) => request,
                Ok(None) => return true,
                Err(error) => {
                    self.pipeline
                        .local(|out| reply::error(out, error.to_string()));
                    return false;
                }
            };
            let pushed = match command::parse(request, cx) {
                Ok(command) => self.pipeline.push(command, request),
                Err(failure) => {
                    self.pipeline.local(|out| reply::error(out, failure.0));
                    Ok(())
                }
            };
            if let Err(command) = pushed {
                let (client, now) = (&mut self.client, self.now);
                self.pipeline
                    .local(|out| match client.respond(command, request, now, out) {
                        Answer::Caller if command == SessionCommand::Reset => {
                            reply::simple(out, "RESET")
                        }
                        Answer::Caller => reply::error(out, "ERR needs the runtime"),
                        Answer::Replied | Answer::Close => {}
                    });
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        while !self.pipeline.merge(out) {
            for (shard, store) in (0..).zip(&mut self.stores) {
                if let Some(mut batch) = self.pipeline.take(shard) {
                    self.messages += 1;
                    store.run(&mut batch, self.now, self.reply_limit);
                    self.pipeline.answer(shard, batch);
                }
            }
        }
    }
}
