//! What can wait: the calls at which a migratable function may be left and entered again.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprAsync, ExprCall, ExprClosure, ExprConst, ExprMethodCall, Item, Macro, Token};

use super::choice;

/// A call that waits, told by its name and its number of arguments.
pub(super) enum Wait<'a> {
    /// `rx.recv()`
    Recv(&'a Expr),
    /// `listener.accept()`
    Accept(&'a Expr),
    /// `tx.send(value)`
    Send(&'a Expr, &'a Expr),
    /// `other(..).call()`
    Call(&'a Expr),
    /// `microthread::sleep(duration)`
    Sleep(&'a Expr, &'a Expr),
    /// `microthread::yield_now()`
    Yield(&'a Expr),
    /// `microthread::checkpoint()`
    Checkpoint(&'a Expr),
    /// What a `select!` has become, with its number.
    Select(&'a ExprCall, usize),
    /// `address.ask().method(..)`, `address.ask().within(limit).method(..)`, `address.request().method(..).wait()`
    Ask {
        address: &'a Expr,
        within: Option<&'a Expr>,
        message: &'a ExprMethodCall,
    },
}

/// The wait that `expr` itself is, whatever waits there are in its parts.
pub(super) fn wait(expr: &Expr) -> Option<Wait<'_>> {
    match expr {
        Expr::MethodCall(call) => of_method(call),
        Expr::Call(call) => of_function(call),
        _ => None,
    }
}

fn of_method(call: &ExprMethodCall) -> Option<Wait<'_>> {
    if let Some(ask) = of_ask(call) {
        return Some(ask);
    }
    if call.turbofish.is_some() {
        return None;
    }
    let args = Vec::from_iter(&call.args);
    match (call.method.to_string().as_str(), &args[..]) {
        ("recv", []) => Some(Wait::Recv(&call.receiver)),
        ("accept", []) => Some(Wait::Accept(&call.receiver)),
        ("send", [value]) => Some(Wait::Send(&call.receiver, value)),
        ("call", []) => Some(Wait::Call(&call.receiver)),
        _ => None,
    }
}

fn of_ask(call: &ExprMethodCall) -> Option<Wait<'_>> {
    fn plain<'a>(expr: &'a Expr, name: &str, count: usize) -> Option<&'a ExprMethodCall> {
        match expr {
            Expr::MethodCall(call) if call.method == name && call.args.len() == count => Some(call),
            _ => None,
        }
    }
    if call.method == "wait" && call.args.is_empty() {
        let Expr::MethodCall(message) = &*call.receiver else {
            return None;
        };
        let view = plain(&message.receiver, "request", 0)?;
        return Some(Wait::Ask {
            address: &view.receiver,
            within: None,
            message,
        });
    }
    let (view, within) = match plain(&call.receiver, "within", 1) {
        Some(within) => (&*within.receiver, within.args.first()),
        None => (&*call.receiver, None),
    };
    // `address.ask().within(limit)` itself asks nothing.
    if call.method == "within" && within.is_none() {
        return None;
    }
    Some(Wait::Ask {
        address: &plain(view, "ask", 0)?.receiver,
        within,
        message: call,
    })
}

fn of_function(call: &ExprCall) -> Option<Wait<'_>> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    if let Some(number) = choice::number(&path.path) {
        return Some(Wait::Select(call, number));
    }
    let words: Vec<String> = path
        .path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    let (name, within) = words.split_last()?;
    if within.last().is_some_and(|module| module != "microthread") {
        return None; // `std::thread::sleep`
    }
    let args = Vec::from_iter(&call.args);
    match (name.as_str(), &args[..]) {
        ("yield_now", []) => Some(Wait::Yield(&call.func)),
        ("checkpoint", []) => Some(Wait::Checkpoint(&call.func)),
        ("sleep", [duration]) => Some(Wait::Sleep(&call.func, duration)),
        _ => None,
    }
}

/// Whether running `expr` may wait.
pub(super) fn waits(expr: &Expr) -> bool {
    let mut finder = Finder(false);
    finder.visit_expr(expr);
    finder.0
}

/// The arguments of a macro, if they are expressions.
pub(super) fn arguments(call: &Macro) -> Option<Punctuated<Expr, Token![,]>> {
    call.parse_body_with(Punctuated::parse_terminated).ok()
}

/// Whether there is a word in `tokens` that would wait as a method.
pub(super) fn looks_waiting(tokens: &TokenStream) -> bool {
    let text = tokens.to_string().replace(' ', "");
    let calls = [
        ".recv()",
        ".accept()",
        ".send(",
        ".call()",
        ".ask()",
        "yield_now()",
    ];
    calls.iter().any(|call| text.contains(call))
}

struct Finder(bool);

impl<'a> Visit<'a> for Finder {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if wait(expr).is_some() || matches!(expr, Expr::Await(_)) {
            self.0 = true;
        }
        if !self.0 {
            visit::visit_expr(self, expr);
        }
    }

    fn visit_macro(&mut self, found: &'a Macro) {
        match arguments(found) {
            Some(args) => self.0 |= args.iter().any(waits),
            None => self.0 |= looks_waiting(&found.tokens.to_token_stream()),
        }
    }

    // What runs some other time, or in another function.
    fn visit_expr_closure(&mut self, _: &'a ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a ExprAsync) {}
    fn visit_expr_const(&mut self, _: &'a ExprConst) {}
    fn visit_item(&mut self, _: &'a Item) {}
}
