//! Errors of every kind can be told, of generic actors too; the hook takes what it wants.
use actor_core::prelude::{Cx, Exit, ExitReason, HandlerError, System, actor};

/// Neither `Debug` nor `Display`.
pub struct Mute;

#[actor]
pub struct Of<E>(Option<E>);

#[actor]
impl<E> Of<E>
where
    E: Send + 'static,
{
    pub fn generic(&mut self) -> Result<(), E> {
        self.0.take().map_or(Ok(()), Err)
    }
    pub fn mute(&mut self, text: u8, error: u8) -> Result<(u8, u8), Mute> {
        if text == error {
            Ok((text, error))
        } else {
            Err(Mute)
        }
    }
    pub fn boxed(&mut self) -> Result<(), Box<dyn std::error::Error + Send>> {
        Ok(())
    }
    pub fn alias(&mut self) -> std::fmt::Result {
        Ok(())
    }
    pub fn never(&mut self) -> Result<(), std::convert::Infallible> {
        Ok(())
    }

    #[on_error]
    fn failed(&mut self, error: HandlerError, cx: &mut Cx<Self>) {
        if error.downcast_ref::<E>().is_some() {
            cx.exit(Exit::from(error));
        }
    }
}

#[actor]
struct Deaf;

#[actor]
impl Deaf {
    pub fn fails(&self) -> Result<(), Mute> {
        Err(Mute)
    }
    #[on_error]
    fn on_error(&self) {}
    pub fn stop(&mut self, cx: &mut Cx<Self>) {
        cx.stop();
    }
}

#[test]
fn runs() {
    let sys = System::new().unwrap();
    let of = sys.spawn(Of(Some("text"))).unwrap();
    of.tell().mute(1, 2).unwrap();
    of.tell().boxed().unwrap();
    of.tell().alias().unwrap();
    of.tell().never().unwrap();
    of.tell().generic().unwrap();
    assert_eq!(
        of.join(),
        ExitReason::failed("&str"),
        "all that is known of an `E`"
    );
    let deaf = sys.spawn(Deaf).unwrap();
    deaf.tell().fails().unwrap();
    deaf.tell().stop().unwrap();
    assert_eq!(deaf.join(), ExitReason::Normal);
}
