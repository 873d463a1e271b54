#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn name(&mut self, name: &str) {}
    pub fn bytes(&mut self, bytes: Option<&[u8]>) {}
    pub fn path(&mut self, path: &std::path::Path) {}
    pub fn shape(&mut self, shape: &dyn Fn(u8)) {}
    pub fn fill(&mut self, buffer: &mut Vec<u8>) {}
    pub fn cow(&mut self, text: std::borrow::Cow<'_, str>) {}
}

fn main() {}
