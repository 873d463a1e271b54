//! A method as a message: its name, its parameters, what of its attributes carries over.

use syn::{
    Attribute, Expr, FnArg, Ident, ImplItemFn, Lit, Meta, Pat, PatIdent, PatType, Receiver, Type,
};

use super::Reader;
use crate::expand::unraw;
use crate::model::{Answer, Arg, Field, Message};
use crate::types::{self, Place};

impl Reader<'_> {
    /// Reads a method as a message.
    pub(super) fn message(&mut self, method: &ImplItemFn) -> Option<Message> {
        let before = self.errors.count();
        let sig = &method.sig;
        self.plain_fn(method, "a message method");
        self.receiver(sig.receiver()?, "a message method");
        if sig.ident == "within" {
            self.errors.at(
                &sig.ident,
                "`within` sets the deadline of an ask (`addr.ask().within(..)`): give this message another name",
            );
        }
        let variant = self.variant(&sig.ident);
        let args: Vec<Option<Arg>> = (sig.inputs.iter())
            .filter_map(|input| match input {
                FnArg::Typed(arg) => Some(arg),
                FnArg::Receiver(_) => None,
            })
            .map(|arg| self.arg(arg))
            .collect();
        let contexts: Vec<&PatType> = (sig.inputs.iter())
            .filter_map(|input| match input {
                FnArg::Typed(arg) if types::is_reference_to(&arg.ty, "Cx") => Some(arg),
                _ => None,
            })
            .collect();
        for extra in contexts.iter().skip(1) {
            self.errors
                .at(extra, "there is one context: take this parameter out");
        }
        let fields = args.iter().flatten();
        if fields.filter(|arg| matches!(arg, Arg::Field(_))).count() > 1 {
            for attr in sig.inputs.iter().flat_map(from_attrs) {
                self.errors.at(
                    attr,
                    "a message that is made from one value has no other: take the other parameters out, or this off",
                );
            }
        }
        let port = self.port(sig);
        let answer = match port.or(types::returned(&sig.output)) {
            None => Answer::Nothing,
            Some(ty) if types::is_unit(ty) => Answer::Nothing,
            Some(Type::Never(never)) => {
                self.errors.at(
                    never,
                    "a message method comes back, for the next message: return `()` instead of `!`",
                );
                return None;
            }
            Some(ty) => {
                types::check_owned(ty, Place::Answer, self.errors);
                let resolved = self.resolve(ty);
                if types::is_named(ty, "Result") {
                    Answer::Fallible(resolved)
                } else {
                    Answer::Value(resolved)
                }
            }
        };
        if self.errors.count() > before {
            return None;
        }
        Some(Message {
            method: sig.ident.clone(),
            variant: variant?,
            vis: method.vis.clone(),
            summary: summary(&method.attrs),
            cfgs: cfgs(&method.attrs),
            notes: notes(&method.attrs),
            args: args.into_iter().collect::<Option<_>>()?,
            answer,
            urgent: false,
            kept: true,
        })
    }

    /// `&self` or `&mut self`.
    pub(super) fn receiver(&mut self, receiver: &Receiver, what: &str) {
        let is_reference = match (&receiver.reference, &receiver.colon_token) {
            (Some(_), _) => true,
            (None, Some(_)) => types::is_reference_to(&receiver.ty, "Self"),
            (None, None) => false,
        };
        if !is_reference {
            self.errors.at(
                receiver,
                format_args!(
                    "{what} borrows the actor, which stays for the next message: write `&mut self` or `&self` \
                     (only `fn run(self, inbox: Inbox<Self>) -> Exit` takes the actor by value)"
                ),
            );
        }
    }

    /// The variant for a method: its name in upper camel case.
    fn variant(&mut self, method: &Ident) -> Option<Ident> {
        let name = unraw(method);
        let mut variant = String::new();
        for word in name.split('_') {
            let mut chars = word.chars();
            variant.extend(chars.next().into_iter().flat_map(char::to_uppercase));
            variant.push_str(chars.as_str());
        }
        if variant == "Self" || !variant.starts_with(|c: char| c.is_alphabetic()) {
            self.errors.at(
                method,
                format_args!("the variant of this message would be `{variant}`, which is no name: rename the method"),
            );
            return None;
        }
        Some(Ident::new(&variant, method.span()))
    }

    /// An argument of a message method.
    fn arg(&mut self, arg: &PatType) -> Option<Arg> {
        let before = self.errors.count();
        for attr in &arg.attrs {
            if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
                self.errors.at(
                    attr,
                    "a parameter of a message is always there: put the `cfg` on the method, and write the method twice",
                );
            }
        }
        if types::is_reference_to(&arg.ty, "Cx") {
            return Some(Arg::Context);
        }
        if types::is_named(&arg.ty, "ReplyTo") {
            return Some(Arg::Reply);
        }
        if types::is_reference_to(&arg.ty, "ReplyTo") {
            self.errors.at(
                &arg.ty,
                "the port for the answer is given, not lent: write `ReplyTo<T>`",
            );
            return None;
        }
        if types::is_named(&arg.ty, "Cx") {
            self.errors
                .at(&arg.ty, "the context is lent: write `&mut Cx<Self>`");
            return None;
        }
        types::check_owned(&arg.ty, Place::Argument, self.errors);
        let name = match &*arg.pat {
            Pat::Ident(PatIdent {
                ident,
                by_ref: None,
                subpat: None,
                ..
            }) => Some(ident.clone()),
            Pat::Wild(wild) => {
                self.errors.at(
                    wild,
                    "a field of the message is called as its parameter: give it a name, such as `_unused`",
                );
                None
            }
            pattern => {
                self.errors.at(
                    pattern,
                    "a field of the message is called as its parameter: take a name here, and `let` the pattern in the body",
                );
                None
            }
        };
        let mut is_from = false;
        for attr in arg.attrs.iter().filter(is_from_attr) {
            if is_from || !matches!(attr.meta, Meta::Path(_)) {
                self.errors.at(
                    attr,
                    "`#[from]` marks a parameter once, and takes no arguments",
                );
            }
            is_from = true;
        }
        (self.errors.count() == before).then_some(())?;
        Some(Arg::Field(Field {
            name: name?,
            ty: self.resolve(&arg.ty),
            is_from,
        }))
    }
}

pub(super) fn is_from_attr(attr: &&Attribute) -> bool {
    attr.path().is_ident("from")
}

pub(super) fn from_attrs(arg: &FnArg) -> impl Iterator<Item = &Attribute> {
    let attrs = match arg {
        FnArg::Typed(arg) => arg.attrs.as_slice(),
        FnArg::Receiver(_) => &[],
    };
    attrs.iter().filter(is_from_attr)
}

/// Takes `#[from]` off the parameters.
pub(super) fn take_from(method: &mut ImplItemFn) {
    for input in &mut method.sig.inputs {
        if let FnArg::Typed(arg) = input {
            arg.attrs.retain(|attr| !is_from_attr(&attr));
        }
    }
}

pub(super) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    (attrs.iter())
        .filter(|attr| attr.path().is_ident("cfg"))
        .cloned()
        .collect()
}

/// `#[deprecated]`, and `#[doc(hidden)]` and its like.
fn notes(attrs: &[Attribute]) -> Vec<Attribute> {
    let is_note = |attr: &&Attribute| {
        attr.path().is_ident("deprecated")
            || (attr.path().is_ident("doc") && matches!(attr.meta, Meta::List(_)))
    };
    attrs.iter().filter(is_note).cloned().collect()
}

/// The first paragraph of the documentation. No more of it carries over: its examples would be tested once for each
/// verb, and its headings are about the method.
fn summary(attrs: &[Attribute]) -> Vec<String> {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .skip_while(|line| line.trim().is_empty())
        .take_while(|line| {
            !line.trim().is_empty()
                && !line.trim().starts_with("```")
                && !line.trim().starts_with('#')
        })
        .collect()
}
