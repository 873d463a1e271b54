//! A wait as an attempt, and what it needs to be tried again.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Expr, ExprMethodCall, parse_quote, parse_quote_spanned};

use super::graph::Exit;
use super::lower::{Lower, Operand, is_place, ours};
use super::waits::Wait;

impl Lower<'_> {
    pub(super) fn wait(&mut self, expr: &Expr, wait: &Wait<'_>) -> Expr {
        let span = ours(expr.span());
        let rt = quote_spanned!(span=> ::actor_core::__private::migratable);
        let poll = match wait {
            Wait::Yield(function) | Wait::Checkpoint(function) => {
                // It is named so that it is what it seems to be, and in use.
                self.step(quote_spanned!(span=> let _: fn() = #function;), Vec::new());
                let next = self.graph.block();
                let exit = match wait {
                    Wait::Yield(_) => Exit::Yield { next },
                    _ => Exit::Check { next },
                };
                self.end(exit, next);
                return parse_quote!(());
            }
            Wait::Recv(from) => {
                let from = self.place(from);
                quote_spanned!(span=> #rt::Recv::poll_recv(&#from, __cx))
            }
            Wait::Accept(from) => {
                let from = self.place(from);
                let until = self.keep(parse_quote_spanned!(span=> #rt::Accept::until(&#from)));
                quote_spanned!(span=> #rt::Accept::poll_accept(&#from, &#until, __cx))
            }
            Wait::Send(to, value) => {
                let receiver = Operand {
                    expr: to,
                    place: true,
                };
                let value = Operand {
                    expr: value,
                    place: false,
                };
                let [to, value] = <[Expr; 2]>::try_from(self.operands(&[receiver, value]))
                    .expect("as many as given");
                let to = self.kept_place(to);
                let value = self.keep(parse_quote!(::core::option::Option::Some(#value)));
                quote_spanned!(span=> #rt::Send::poll_send(&#to, &mut #value, __cx))
            }
            Wait::Call(call) => {
                let call = self.expr(call);
                let call = self.keep(parse_quote!(#rt::begin(#call)));
                quote_spanned!(span=> #rt::poll_call(&mut #call, __cx))
            }
            Wait::Ask {
                address,
                within,
                message,
            } => self.ask(span, address, *within, message),
            Wait::Select(call, number) => self.select(call, *number),
            Wait::Sleep(function, duration) => {
                let function =
                    quote_spanned!(span=> let _: fn(::core::time::Duration) = #function;);
                self.step(function, Vec::new());
                let duration = self.expr(duration);
                let until = self.keep(parse_quote!(#rt::Until::after(#duration)));
                quote_spanned!(span=> #rt::Until::poll(&#until, __cx))
            }
        };
        let at = self.graph.block();
        self.end(Exit::Goto(at), at);
        let result = self.temp(span);
        let next = self.graph.block();
        let exit = Exit::Wait {
            poll,
            result: result.to_string(),
            next,
        };
        self.end(exit, next);
        parse_quote!(#result)
    }

    /// An ask, which is begun once; what it waits with does not come into the state.
    fn ask(
        &mut self,
        span: Span,
        address: &Expr,
        within: Option<&Expr>,
        message: &ExprMethodCall,
    ) -> TokenStream {
        let asked = quote_spanned!(span=> ::actor_core::__private::asked);
        let operand = |expr, place| Operand { expr, place };
        let mut operands = vec![operand(address, true)];
        operands.extend(within.map(|within| operand(within, false)));
        operands.extend(message.args.iter().map(|arg| operand(arg, false)));
        let mut values = self.operands(&operands).into_iter();
        let mut next = || values.next().expect("a value for each operand");
        let address = next();
        let within = match within {
            Some(_) => {
                let within = next();
                quote_spanned!(span=> ::core::option::Option::Some(#within))
            }
            None => quote_spanned!(span=> ::core::option::Option::None),
        };
        let args: Vec<Expr> = values.collect();
        let (method, turbofish) = (&message.method, &message.turbofish);
        let request = quote_spanned!(span=> #address.request().#method #turbofish(#(#args),*));
        let begun = self.keep(parse_quote!(#asked::begin(__cx, #request, #within)));
        quote_spanned!(span=> #asked::poll(&#begun, __cx))
    }

    /// Code for what an operation is done on, each time it is tried.
    fn place(&mut self, expr: &Expr) -> Expr {
        let expr = self.expr(expr);
        self.kept_place(expr)
    }

    fn kept_place(&mut self, expr: Expr) -> Expr {
        match is_place(&expr) {
            true => expr,
            false => self.keep(expr),
        }
    }
}
