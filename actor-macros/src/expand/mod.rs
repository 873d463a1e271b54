//! From the model to code: the implementation of `Actor` or `Protocol`, the message and reply enums, the views.
//!
//! Generated code names everything from `::actor_core` and `::core` by its full path, and its own variables carry the
//! macro's hygiene, so that nothing in the user's scope and no parameter's name can get in its way. It contains no
//! `unsafe`. Public items carry documentation; each item silences the lints that are about how code is written.

mod forward;
mod messages;
mod timers;
mod views;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Generics, Type, parse_quote};

use crate::model::{Actor, Answer, Arg, Body, Hook, HookArg, Message, Protocol, Spoken};
use messages::EnumType;

/// Lints that judge style, and those that a user who turns them on means for code of their own.
pub(crate) fn quiet() -> TokenStream {
    quote! {
        #[allow(
            clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction,
            dead_code, deprecated, missing_debug_implementations, missing_copy_implementations,
            private_bounds, private_interfaces, unreachable_code, unreachable_patterns, unreachable_pub, unused_qualifications,
            rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links
        )]
    }
}

/// Whose messages they are: an actor's or a protocol's.
struct Side<'a> {
    /// What the generated names begin with.
    name: &'a Ident,
    generics: &'a Generics,
    /// The type of an address that takes these messages.
    address: TokenStream,
    messages: &'a [Message],
    /// The protocols whose messages are among them.
    spoken: &'a [Spoken],
}

/// Everything `#[actor]` on an `impl` block adds to it.
pub(crate) fn actor(actor: &Actor) -> TokenStream {
    match &actor.body {
        Body::Messages(messages) => {
            let ty = &actor.ty;
            let side = Side {
                name: &actor.name,
                generics: &actor.generics,
                address: quote!(::actor_core::Addr<#ty>),
                messages,
                spoken: &actor.protocols,
            };
            let message = EnumType::messages(&side);
            let data = data(&side, &message);
            let types = views::associated_types(&side);
            let handle = handle(&side, &message);
            let priority = priority(&side, &message);
            let kept = kept(&message, messages);
            let body = quote!(#types #priority #kept #handle);
            let implementation = implementation(actor, &message.ty(), &body);
            let replies = replies(actor, &side, &message);
            let forward = forward::view(actor, &side, &message);
            let methods = message_methods(actor);
            let timers = timers::views(&side, &message, ty);
            quote!(#data #forward #timers #implementation #replies #methods)
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

/// Everything `#[protocol]` adds to a trait.
pub(crate) fn protocol(protocol: &Protocol) -> TokenStream {
    let Protocol { name, generics, .. } = protocol;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let object = quote!(dyn #name #type_generics);
    let side = Side {
        name,
        generics,
        address: quote!(::actor_core::AddrOf<#object>),
        messages: &protocol.messages,
        spoken: &[],
    };
    let message = EnumType::messages(&side);
    let reply = EnumType::replies(&side);
    let data = data(&side, &message);
    let types = views::associated_types(&side);
    let call = messages::call(&side, &message, &reply);
    let priority = priority(&side, &message);
    let (message_ty, reply_ty) = (message.ty(), reply.ty());
    let (actor, msg, answer, cx) = (local("actor"), local("msg"), local("reply"), local("cx"));
    let who = format_ident!("SomeActor", span = Span::mixed_site());
    let arms = arms(
        &side,
        &message,
        &answer,
        &cx,
        &quote!(#actor),
        |method, args| quote!(<#who as #name #type_generics>::#method(#actor, #args)),
    );
    let quiet = quiet();
    let doc = format!(
        "Has an actor handle a message of the protocol, as the `handle` that `#[actor(protocols = [{name}])]` writes does."
    );
    quote! {
        #data

        #[automatically_derived]
        #quiet
        impl #impl_generics ::actor_core::Protocol for #object #where_clause {
            type Msg = #message_ty;
            type Reply = #reply_ty;
            #types
            #priority
            #call
        }

        #[automatically_derived]
        #quiet
        impl #impl_generics #object #where_clause {
            #[doc = #doc]
            #[allow(unused_variables)]
            pub fn dispatch<#who: #name #type_generics + ::actor_core::Actor>(
                #actor: &mut #who,
                #msg: #message_ty,
                #answer: ::actor_core::Reply<'_>,
                #cx: &mut ::actor_core::Cx<#who>,
            ) {
                match #msg {
                    #arms
                }
            }
        }
    }
}

/// What holds messages, and what makes them.
fn data(side: &Side<'_>, message: &EnumType) -> TokenStream {
    let enumeration = messages::enumeration(side, message);
    let replies = messages::replies(side, &EnumType::replies(side));
    let conversions = messages::conversions(side, message);
    let views = views::all(side, message);
    quote!(#enumeration #replies #conversions #views)
}

/// `impl Replies`.
fn replies(actor: &Actor, side: &Side<'_>, message: &EnumType) -> TokenStream {
    let reply = EnumType::replies(side);
    let (reply_ty, call) = (reply.ty(), messages::call(side, message, &reply));
    let Actor { ty, generics, .. } = actor;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #impl_generics ::actor_core::Replies for #ty #where_clause {
            type Reply = #reply_ty;
            #call
        }
    }
}

/// `impl Actor`, with the items that depend on the body.
fn implementation(actor: &Actor, message: &TokenStream, body: &TokenStream) -> TokenStream {
    let Actor { ty, generics, .. } = actor;
    let on_start = actor.on_start.as_ref().map(on_start);
    let on_stop = actor.on_stop.as_ref().map(on_stop);
    let on_signal = actor.on_signal.as_ref().map(on_signal);
    let on_error = actor.on_error.as_ref().map(on_error);
    let on_move = actor.on_move.as_ref().map(on_move);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #impl_generics ::actor_core::Actor for #ty #where_clause {
            type Msg = #message;
            #on_start
            #on_stop
            #on_signal
            #on_error
            #on_move
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
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A name as it is written out: of `r#type` it is `type`.
pub(crate) fn unraw(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn handle(side: &Side<'_>, message: &EnumType) -> TokenStream {
    let (msg, reply, cx) = (local("msg"), local("reply"), local("cx"));
    // The inherent method, even if a trait in scope has one of that name: a path finds it first.
    let arms = arms(
        side,
        message,
        &reply,
        &cx,
        &quote!(self),
        |method, args| quote!(Self::#method(self, #args)),
    );
    let spoken = side.spoken.iter().map(|spoken| {
        let variant = message.variant(&spoken.variant);
        let object = spoken.object();
        quote_spanned! {spoken.path.span()=>
            #variant(#msg) => <#object>::dispatch::<Self>(self, #msg, #reply, #cx),
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
                #arms
                #(#spoken)*
            }
        }
    }
}

/// An arm for each message, which calls its method and answers.
fn arms(
    side: &Side<'_>,
    message: &EnumType,
    reply: &Ident,
    cx: &Ident,
    actor: &TokenStream,
    call: impl Fn(&Ident, TokenStream) -> TokenStream,
) -> TokenStream {
    let (value, port, text) = (local("value"), local("port"), local("text"));
    let arms = side.messages.iter().map(|message_| {
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
        let call = call(method, quote!(#(#args),*));
        let run = match answer.ty() {
            _ if message_.is_delegated() => {
                let ty = answered(answer);
                let travels = must_travel(&ty);
                quote! {
                    #travels
                    let #port: ::actor_core::ReplyTo<#ty> = ::actor_core::Reply::delegate(#reply, #cx);
                    #call
                }
            }
            None => quote! {
                #call;
                ::actor_core::Reply::send::<()>(#reply, ());
            },
            Some(ty) if matches!(answer, Answer::Fallible(_)) => {
                let travels = must_travel(ty);
                let name = unraw(method);
                let error = local("error");
                let into_err = quote_spanned!(ty.span()=> ::actor_core::__private::Fallible::into_err);
                quote! {
                    #travels
                    let #value: #ty = #call;
                    if ::actor_core::Reply::is_asked(&#reply) {
                        ::actor_core::Reply::send::<#ty>(#reply, #value);
                    } else if let ::core::option::Option::Some(#error) = #into_err(#value) {
                        use ::actor_core::__private::{TextByDebug as _, TextByDisplay as _, TextByType as _};
                        let #text = (&&&::actor_core::__private::ErrorText(&#error)).error_text();
                        ::actor_core::__private::told_in_vain(#actor, #cx, #name, #text, #error);
                    }
                }
            }
            Some(ty) => {
                let travels = must_travel(ty);
                quote! {
                    #travels
                    let #value: #ty = #call;
                    ::actor_core::Reply::send::<#ty>(#reply, #value);
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
    arms.collect()
}

/// The type that the asker's slot is for.
fn answered(answer: &Answer) -> Type {
    match answer {
        Answer::Nothing => parse_quote!(()),
        Answer::Value(ty) | Answer::Fallible(ty) => ty.clone(),
    }
}

/// Which lane each message takes, if any may take another than the ordinary one. Those of a protocol take what that says.
fn priority(side: &Side<'_>, message: &EnumType) -> TokenStream {
    let has_urgent = side.messages.iter().any(|message| message.urgent);
    if !has_urgent && side.spoken.is_empty() {
        return TokenStream::new();
    }
    let msg = local("msg");
    let urgent = side.messages.iter().filter(|message| message.urgent);
    let arms = urgent.map(|urgent| {
        let cfgs = &urgent.cfgs;
        let pattern = message.variant(&urgent.variant);
        quote!(#(#cfgs)* #pattern { .. } => ::actor_core::Priority::High,)
    });
    let objects = side.spoken.iter().map(Spoken::object);
    let spoken = side.spoken.iter().map(|spoken| {
        let (pattern, object) = (message.variant(&spoken.variant), spoken.object());
        quote!(#pattern(#msg) => <#object as ::actor_core::Protocol>::priority(#msg),)
    });
    quote! {
        const HAS_PRIORITIES: ::core::primitive::bool =
            #has_urgent #(|| <#objects as ::actor_core::Protocol>::HAS_PRIORITIES)*;

        #[inline]
        fn priority(#msg: &Self::Msg) -> ::actor_core::Priority {
            match #msg {
                #(#arms)*
                #(#spoken)*
                _ => ::actor_core::Priority::Normal,
            }
        }
    }
}

/// Which messages a snapshot keeps, if not all.
fn kept(message: &EnumType, messages: &[Message]) -> TokenStream {
    if messages.iter().all(|message| message.kept) {
        return TokenStream::new();
    }
    let msg = local("msg");
    let skipped = messages.iter().filter(|message| !message.kept);
    let arms = skipped.map(|skipped| {
        let cfgs = &skipped.cfgs;
        let pattern = message.variant(&skipped.variant);
        quote!(#(#cfgs)* #pattern { .. } => false,)
    });
    quote! {
        fn is_kept(#msg: &Self::Msg) -> ::core::primitive::bool {
            match #msg {
                #(#arms)*
                _ => true,
            }
        }
    }
}

/// Has the compiler check where the user wrote `ty` that it can travel to another thread.
fn must_travel(ty: &Type) -> TokenStream {
    quote_spanned!(ty.span()=> let _ = ::actor_core::__private::travels::<#ty>;)
}

fn on_start(hook: &Hook) -> TokenStream {
    let cx = local("cx");
    let run = refusable(hook, &hook_args(hook, &cx, None), &quote!(StartError));
    let cfgs = &hook.cfgs;
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

fn on_move(hook: &Hook) -> TokenStream {
    let (cx, to) = (local("cx"), local("to"));
    let run = refusable(hook, &hook_args(hook, &cx, Some(&to)), &quote!(StayError));
    let cfgs = &hook.cfgs;
    quote! {
        #(#cfgs)*
        const HAS_ON_MOVE: ::core::primitive::bool = true;

        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_move(
            &mut self,
            #cx: &mut ::actor_core::Cx<Self>,
            #to: &::core::primitive::str,
        ) -> ::core::result::Result<(), ::actor_core::StayError> {
            #run
        }
    }
}

/// The call of a hook that returns nothing, or `Result<(), E>`; as a `Result<(), error>`.
fn refusable(hook: &Hook, args: &TokenStream, error: &TokenStream) -> TokenStream {
    let Hook {
        method, returns, ..
    } = hook;
    let call = quote!(Self::#method(self, #args));
    match returns {
        None => quote! {
            #call;
            ::core::result::Result::Ok(())
        },
        Some(ty) => quote_spanned! {ty.span()=>
            ::core::result::Result::map_err(#call, ::actor_core::#error::new)
        },
    }
}

fn on_stop(hook: &Hook) -> TokenStream {
    let Hook { method, cfgs, .. } = hook;
    let (cx, reason) = (local("cx"), local("reason"));
    let args = hook_args(hook, &cx, Some(&reason));
    quote! {
        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_stop(&mut self, #cx: &mut ::actor_core::Cx<Self>, #reason: &::actor_core::ExitReason) {
            Self::#method(self, #args);
        }
    }
}

fn on_signal(hook: &Hook) -> TokenStream {
    let Hook { method, cfgs, .. } = hook;
    let (cx, signal) = (local("cx"), local("signal"));
    let args = hook_args(hook, &cx, Some(&signal));
    quote! {
        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_signal(&mut self, #cx: &mut ::actor_core::Cx<Self>, #signal: ::actor_core::Signal) {
            Self::#method(self, #args);
        }
    }
}

fn on_error(hook: &Hook) -> TokenStream {
    let Hook { method, cfgs, .. } = hook;
    let (cx, error) = (local("cx"), local("error"));
    let args = hook_args(hook, &cx, Some(&error));
    quote! {
        #(#cfgs)*
        #[allow(unused_variables)]
        fn on_error(&mut self, #cx: &mut ::actor_core::Cx<Self>, #error: ::actor_core::HandlerError) {
            Self::#method(self, #args);
        }
    }
}

/// `other` is what the hook gets beside its context.
fn hook_args(hook: &Hook, cx: &Ident, other: Option<&Ident>) -> TokenStream {
    let args = hook.args.iter().map(|arg| match arg {
        HookArg::Context => Some(cx),
        HookArg::Reason | HookArg::Signal | HookArg::Error | HookArg::Destination => other,
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
