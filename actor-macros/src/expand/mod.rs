//! From the model to code: the implementation of `Actor`, the message enum, the views.
//!
//! Generated code names everything from `::actor_core` and `::core` by its full path, and its own variables carry the
//! macro's hygiene, so that nothing in the user's scope and no parameter's name can get in its way. It contains no
//! `unsafe`. Public items carry documentation; each item silences the lints that are about how code is written.

mod forward;
mod messages;
mod timers;
mod views;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Type, parse_quote};

use crate::model::{Actor, Answer, Arg, Body, Hook, HookArg, Message};

/// Lints that judge style, and those that a user who turns them on means for code of their own.
fn quiet() -> TokenStream {
    quote! {
        #[allow(
            clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction,
            dead_code, deprecated, missing_debug_implementations, missing_copy_implementations,
            private_bounds, private_interfaces, unreachable_code, unreachable_patterns, unreachable_pub, unused_qualifications,
            rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links
        )]
    }
}

/// Everything `#[actor]` on an `impl` block adds to it.
pub(crate) fn actor(actor: &Actor) -> TokenStream {
    match &actor.body {
        Body::Messages(messages) => {
            let message = messages::MessageType::new(actor, messages);
            let enumeration = message.enumeration(actor, messages);
            let views = views::all(actor, &message, messages);
            let types = views::associated_types(actor);
            let handle = handle(&message, messages);
            let implementation = implementation(actor, &message.ty(), &quote!(#types #handle));
            let forward = forward::view(actor, &message, messages);
            let methods = message_methods(actor);
            let timers = timers::views(actor, &message, messages);
            quote!(#enumeration #views #forward #timers #implementation #methods)
        }
        Body::OwnStack { message, sound } => {
            let message = match message {
                Some(ty) => ty.to_token_stream(),
                None => quote!(::actor_core::Never),
            };
            implementation(actor, &message, &own_stack(*sound))
        }
    }
}

/// `impl Actor`, with the items that depend on the body.
fn implementation(actor: &Actor, message: &TokenStream, body: &TokenStream) -> TokenStream {
    let Actor { ty, generics, .. } = actor;
    let on_start = actor.on_start.as_ref().map(on_start);
    let on_stop = actor.on_stop.as_ref().map(on_stop);
    let on_error = actor.on_error.as_ref().map(on_error);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #impl_generics ::actor_core::Actor for #ty #where_clause {
            type Msg = #message;
            #on_start
            #on_stop
            #on_error
            #body
        }
    }
}

/// `impl MessageMethods`: the views that an actor by hand does without.
fn message_methods(actor: &Actor) -> TokenStream {
    let Actor { ty, generics, .. } = actor;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let forward = forward::associated_type(actor);
    let timers = timers::associated_types(actor);
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #impl_generics ::actor_core::MessageMethods for #ty #where_clause {
            #forward
            #timers
        }
    }
}

/// A variable of the generated code, which no name of the user's can be or hide.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn handle(message: &messages::MessageType, messages: &[Message]) -> TokenStream {
    let (msg, reply, cx, value) = (local("msg"), local("reply"), local("cx"), local("value"));
    let (port, text) = (local("port"), local("text"));
    let arms = messages.iter().map(|message_| {
        let Message {
            method,
            cfgs,
            args,
            answer,
            ..
        } = message_;
        let pattern = message.construct(message_);
        let travels = message_.fields().map(|field| must_travel(&field.ty));
        let args = args.iter().map(|arg| match arg {
            Arg::Context => quote!(#cx),
            Arg::Reply => quote!(#port),
            Arg::Field(field) => field.name.to_token_stream(),
        });
        // The inherent method, even if a trait in scope has one of that name: a path finds it first.
        let call = quote!(Self::#method(self, #(#args),*));
        let run = match answer {
            _ if message_.is_delegated() => {
                let ty = answered(answer);
                let travels = must_travel(&ty);
                quote! {
                    #travels
                    let #port: ::actor_core::ReplyTo<#ty> = ::actor_core::Reply::delegate(#reply, #cx);
                    #call
                }
            }
            Answer::Nothing => quote! {
                #call;
                ::actor_core::Reply::send::<()>(#reply, ());
            },
            Answer::Value(ty) => {
                let travels = must_travel(ty);
                quote! {
                    #travels
                    let #value: #ty = #call;
                    ::actor_core::Reply::send::<#ty>(#reply, #value);
                }
            }
            Answer::Fallible(ty) => {
                let travels = must_travel(ty);
                let name = method.to_string();
                let name = name.trim_start_matches("r#");
                let error = local("error");
                let into_err = quote_spanned!(ty.span()=> ::actor_core::__private::Fallible::into_err);
                quote! {
                    #travels
                    let #value: #ty = #call;
                    if ::actor_core::Reply::is_asked(&#reply) {
                        ::actor_core::Reply::send::<#ty>(#reply, #value);
                    } else if let ::core::option::Option::Some(#error) = #into_err(#value) {
                        use ::actor_core::__private::{TextByDebug as _, TextByDisplay as _, TextByType as _};
                        let #text = (&&&::actor_core::__private::ErrorText(&#error)).text();
                        ::actor_core::__private::told_in_vain(self, #cx, #name, #text, #error);
                    }
                }
            }
        };
        quote! {
            #(#cfgs)*
            #pattern => {
                #(#travels)*
                #run
            }
        }
    });
    quote! {
        #[allow(unused_variables)]
        fn handle(
            &mut self,
            #msg: Self::Msg,
            #reply: ::actor_core::Reply<'_>,
            #cx: &mut ::actor_core::Cx<Self>,
        ) {
            match #msg {
                #(#arms)*
            }
        }
    }
}

/// The type that the asker's slot is for.
fn answered(answer: &Answer) -> Type {
    match answer {
        Answer::Nothing => parse_quote!(()),
        Answer::Value(ty) | Answer::Fallible(ty) => ty.clone(),
    }
}

/// Has the compiler check where the user wrote `ty` that it can travel to another thread.
fn must_travel(ty: &Type) -> TokenStream {
    quote_spanned!(ty.span()=> let _ = ::actor_core::__private::travels::<#ty>;)
}

fn on_start(hook: &Hook) -> TokenStream {
    let Hook {
        method,
        cfgs,
        returns,
        ..
    } = hook;
    let cx = local("cx");
    let args = hook_args(hook, &cx, &cx);
    let call = quote!(Self::#method(self, #args));
    let run = match returns {
        None => quote! {
            #call;
            ::core::result::Result::Ok(())
        },
        Some(ty) => quote_spanned! {ty.span()=>
            ::core::result::Result::map_err(#call, ::actor_core::StartError::new)
        },
    };
    quote! {
        #(#cfgs)*
        const HAS_ON_START: ::core::primitive::bool = true;

        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_start(
            &mut self,
            #cx: &mut ::actor_core::Cx<Self>,
        ) -> ::core::result::Result<(), ::actor_core::StartError> {
            #run
        }
    }
}

fn on_stop(hook: &Hook) -> TokenStream {
    let Hook { method, cfgs, .. } = hook;
    let (cx, reason) = (local("cx"), local("reason"));
    let args = hook_args(hook, &cx, &reason);
    quote! {
        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_stop(&mut self, #cx: &mut ::actor_core::Cx<Self>, #reason: &::actor_core::ExitReason) {
            Self::#method(self, #args);
        }
    }
}

fn on_error(hook: &Hook) -> TokenStream {
    let Hook { method, cfgs, .. } = hook;
    let (cx, error) = (local("cx"), local("error"));
    let args = hook_args(hook, &cx, &error);
    quote! {
        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_error(&mut self, #cx: &mut ::actor_core::Cx<Self>, #error: ::actor_core::HandlerError) {
            Self::#method(self, #args);
        }
    }
}

/// The arguments of a hook; `about` is what it is called for.
fn hook_args(hook: &Hook, cx: &Ident, about: &Ident) -> TokenStream {
    let args = hook.args.iter().map(|arg| match arg {
        HookArg::Context => cx,
        HookArg::Reason | HookArg::Error => about,
    });
    quote!(#(#args),*)
}

fn own_stack(sound: bool) -> TokenStream {
    let inbox = local("inbox");
    let run = sound.then(|| {
        quote! {
            fn run(self, #inbox: ::actor_core::Inbox<Self>) -> ::actor_core::Exit {
                // The inherent `run`, which a path finds before this one.
                Self::run(self, #inbox)
            }
        }
    });
    quote! {
        type Tell<'a> = ::actor_core::NoMethods;
        type TryTell<'a> = ::actor_core::NoMethods;
        type Ask<'a> = ::actor_core::NoMethods;
        type Request<'a> = ::actor_core::NoMethods;

        const OWN_STACK: ::core::primitive::bool = true;

        #run
    }
}
