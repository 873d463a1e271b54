use actor_core::migratable;

#[migratable]
async fn waits_otherwise() {}

#[migratable]
const fn constant() {}

#[migratable]
unsafe fn dangerous() {}

#[migratable]
extern "C" fn foreign() {}

#[migratable(since = 1)]
fn options() {}

#[migratable]
struct NoFunction;

fn main() {}
