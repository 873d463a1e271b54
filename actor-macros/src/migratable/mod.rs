//! `#[migratable]`: a function as a state machine whose state can be frozen.
//!
//! # The decision
//! Two ways were tried: the crate `diapause` with a rewriting before it, and a lowering of our own. It is the second, for the
//! one thing on which all else hangs: **a macro does not know the types of the variables that live across a wait**, and what is
//! to be thawed must have a type.
//!
//! `diapause` asks for the types: every variable that lives across a suspension needs one that can be read off the source. A
//! binding of a pattern (`Ok(m)`, `Some(x)`, a `for` over pairs) has nowhere to write one, nor has a value of a method; a
//! rewriting before it knows no more than it does. Its suspensions cannot stand behind `&&`, in a `while` condition, in the
//! argument of a method; what it stores is std's iterators, of which only ranges can be serialised; a recursive call is boxed by
//! hand and named by its state.
//!
//! Here the compiler infers them. The state is an enum *generic in the type of each variable*, which nobody writes down:
//! ```text
//!   fn program() -> impl Program<Args = (Range<u64>, Sender<u64>), Output = Result<(), Closed>> {
//!       enum __State<A, B, C> { Done, S0 { job: A, out: B }, S1 { items: A, n: C, out: B } }
//!       program(
//!           |(job, out): (Range<u64>, Sender<u64>)| __State::S0 { job, out },
//!           |state: &mut __State<_, _, _>, cx| -> Poll<Result<(), Closed>> { .. },
//!       )
//!   }
//! ```
//! All blocks of the function stand in one closure, so its variables have the types they would have in the function: by the same
//! inference, in the same order. The closures capture nothing; so a `Program` is a value without a size, and its type, opaque,
//! says everything: `Program::State` is what is serialised and made again. It is reached through a type that has a name, a
//! struct with the name of the function (which is no obstacle: functions and structs live in different namespaces), whose
//! trait `Migratable` has `program` as a method. So `thaw::<primes>` needs no registry; and a call of another function, or of the
//! same, is kept as `Call<primes>`, which names the struct and not its state: recursion needs nothing special.
//!
//! What it costs: an error in inference is one of rustc's, at the user's token, and not one of ours. Where nothing fixes a type
//! before a method is called on it, an annotation is needed, as it is in any function.
//!
//! # The steps
//! ```text
//!   closures   waits in closures are refused
//!   choice     each `select!` becomes a `match`
//!   rename     every variable gets a name of its own: a name is a variable
//!   lower      statements with a wait in them become blocks; `control`: branches and loops, `operators`: everything else
//!   verbatim   all other code stays, but for `return`, `?`, and jumps to loops that were taken apart
//!   graph      the blocks; `live`: the variables each of them has; `owned`: those that live to the end of their scope
//!   emit       the two enums and the function that goes on
//! ```
//! `waits` says which calls wait.
//!
//! # A wait
//! "Try, else be suspended with what is waited for, try again": a wait is a block that begins with the attempt. What it needs is
//! in variables like any other: the channel, an `Option` of the value to be sent, the moment a sleep ends, the call that was begun.
//! Pending, the function stores the block's variables and returns; resumed, it begins with the same block. So an image holds no
//! trace of how the wait was made known to others, and is continued anywhere.
//!
//! # What differs from a plain function
//! - **Kept variables.** What is needed after a wait is owned, `Send` and serialisable; anything else is an error at its token.
//!   Between two waits everything goes.
//! - **Drops.** What is moved away nowhere and borrows nothing, as far as tokens can tell (`owned`), is dropped at the end of its
//!   scope, in the reverse order, if it can be kept until then. Any other variable is dropped at the first wait behind its last
//!   mention.
//! - **Order of evaluation** is Rust's: what stands before a wait in its expression is evaluated before it and kept. The
//!   receiver of a method, which is a place, is evaluated behind it.
//! - **A closure** is another function, which cannot be suspended: a wait in one is refused, unless it is run elsewhere (`spawn`).
//! - **Checkpoints.** A turn of a loop with a wait in it begins with one, where that adds nothing to what must be kept.
//! - **Loops without a wait** are not taken apart, and nothing is frozen in them.
//!
//! # Not yet
//! Spawning on the runtime and on a local scheduler (a function is run by `.call()`, or driven by hand as a `Suspended`); a
//! `select!` at channels of other kinds; methods; a wait in a place that is assigned to (`v[rx.recv()?] += 1`).

mod attempts;
mod choice;
mod closures;
mod control;
mod emit;
mod format;
mod graph;
mod live;
mod lower;
mod operators;
mod owned;
mod rename;
mod verbatim;
mod waits;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{FnArg, GenericParam, ItemFn, LitInt, Pat, ReturnType, Token, Type, parse_quote};

use crate::diagnostics::Errors;

use self::graph::fingerprint;
use self::lower::{Dest, Lower};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = match syn::parse2::<syn::Item>(item.clone()) {
                Ok(other) => syn::Error::new_spanned(other, "`#[migratable]` goes on a function"),
                Err(_) => error,
            };
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let version = version(args, &mut errors);
    validate(&function, &mut errors);
    let Some(parameters) = parameters(&function, &mut errors) else {
        let errors = errors.into_tokens();
        return quote!(#function #errors);
    };
    if errors.count() > 0 {
        // What is made of such a signature would only add to the errors.
        let errors = errors.into_tokens();
        return quote!(#function #errors);
    }
    let body = body(&function, &parameters, &mut errors);
    let program = (errors.count() == 0).then_some(body);
    let code = definition(&function, &parameters, version, program);
    let errors = errors.into_tokens();
    quote!(#code #errors)
}

/// `version = n`, or nothing.
fn version(args: TokenStream, errors: &mut Errors) -> u32 {
    if args.is_empty() {
        return 0;
    }
    let parser = |input: syn::parse::ParseStream<'_>| {
        let word: Ident = input.parse()?;
        if word != "version" {
            return Err(syn::Error::new(word.span(), "expected `version = 1`"));
        }
        input.parse::<Token![=]>()?;
        let number: LitInt = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        number.base10_parse()
    };
    parser.parse2(args).unwrap_or_else(|error| {
        errors.push(error);
        0
    })
}

struct Parameter {
    ident: Ident,
    mutable: bool,
    ty: Type,
    /// What it is taken apart by, first thing in the body.
    pattern: Option<Pat>,
}

fn validate(function: &ItemFn, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(word) = &sig.asyncness {
        errors.at(
            word,
            "a migratable function waits without `async`: take the word off, and the `.await`s",
        );
    }
    if let Some(word) = &sig.constness {
        errors.at(
            word,
            "a migratable function cannot be `const`: take the word off",
        );
    }
    if let Some(word) = &sig.unsafety {
        errors.at(word, "a migratable function cannot be `unsafe`: keep the unsafe code in a function that it calls");
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            "a migratable function has no ABI of its own: take this off",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(
            variadic,
            "a migratable function takes as many arguments as it says",
        );
    }
    for parameter in &sig.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            errors.at(lifetime, "a migratable function borrows nothing from its caller, who may be on another machine by then: take owned values, such as `String` for `&str` and `Vec<T>` for `&[T]`");
        }
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        match &**ty {
            Type::Reference(ty) if ty.lifetime.as_ref().is_none_or(|l| l.ident != "static") => {
                errors.at(
                    ty,
                    "what a migratable function returns cannot be borrowed: return an owned value",
                )
            }
            Type::ImplTrait(ty) => errors.at(
                ty,
                "what a migratable function returns must have a name: write the type, or box it",
            ),
            _ => {}
        }
    }
}

fn parameters(function: &ItemFn, errors: &mut Errors) -> Option<Vec<Parameter>> {
    let mut parameters = Vec::new();
    for (n, input) in function.sig.inputs.iter().enumerate() {
        let input = match input {
            FnArg::Receiver(receiver) => {
                errors.at(receiver, "a migratable function is no method: take what it needs of `self` as a parameter, as in `fn run(state: State)`");
                return None;
            }
            FnArg::Typed(input) => input,
        };
        match &*input.ty {
            Type::Reference(ty) => errors.at(ty, "a parameter is kept while the function waits, and a borrowed one cannot be, as its owner stays behind: take it by value, such as `String` for `&str` and `Vec<T>` for `&[T]`"),
            Type::ImplTrait(ty) => errors.at(ty, "a parameter must have a type with a name, to be made again elsewhere: write a generic parameter, `fn f<T: Trait>(x: T)`"),
            _ => {}
        }
        let ty = (*input.ty).clone();
        parameters.push(match &*input.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Parameter {
                ident: pat.ident.clone(),
                mutable: pat.mutability.is_some(),
                ty,
                pattern: None,
            },
            pattern => Parameter {
                ident: format_ident!("__arg{n}", span = pattern.span()),
                mutable: false,
                ty,
                pattern: Some(pattern.clone()),
            },
        });
    }
    Some(parameters)
}

struct Body {
    items: Vec<syn::Item>,
    program: emit::Program,
}

fn body(function: &ItemFn, parameters: &[Parameter], errors: &mut Errors) -> Body {
    let mut block = (*function.block).clone();
    for (n, parameter) in parameters
        .iter()
        .filter(|p| p.pattern.is_some())
        .enumerate()
    {
        let (pattern, ident) = (&parameter.pattern, &parameter.ident);
        block.stmts.insert(n, parse_quote!(let #pattern = #ident;));
    }
    closures::refuse_waits(&block, errors);
    let uses = choice::as_matches(&mut block, errors);
    let idents: Vec<Ident> = parameters.iter().map(|p| p.ident.clone()).collect();
    rename::rename(&idents, &mut block);
    let mut lower = Lower::new(owned::taken(&block), errors);
    for parameter in parameters {
        let ident = &parameter.ident;
        let mutable = parameter.mutable.then(|| quote!(mut));
        let names = lower.declare(&parse_quote!(#mutable #ident), true);
        lower.graph.parameters.extend(names);
    }
    lower.items = uses;
    lower.statements(&block, &Dest::Return);
    let Lower {
        mut graph, items, ..
    } = lower;
    graph.add_checkpoints();
    Body {
        items,
        program: emit::program(&graph),
    }
}

fn definition(
    function: &ItemFn,
    parameters: &[Parameter],
    version: u32,
    body: Option<Body>,
) -> TokenStream {
    let ItemFn {
        attrs, vis, sig, ..
    } = function;
    let name = &sig.ident;
    let (impl_generics, ty_generics, where_clause) = sig.generics.split_for_impl();
    let rt = quote!(::actor_core::__private::migratable);
    let idents: Vec<&Ident> = parameters.iter().map(|p| &p.ident).collect();
    let types: Vec<&Type> = parameters.iter().map(|p| &p.ty).collect();
    let output: Type = match &sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let type_params: Vec<&Ident> = sig
        .generics
        .type_params()
        .map(|parameter| &parameter.ident)
        .collect();
    let block = &function.block;
    let (inputs, generics) = (&sig.inputs, &sig.generics);
    let hash = fingerprint(quote!(#generics #inputs -> #output #block));
    let program = match body {
        Some(Body { items, program }) => {
            let emit::Program {
                types: enums,
                start,
                state,
                resume,
            } = program;
            quote! {
                #(#items)*
                #enums
                #rt::program(
                    |(#(#idents,)*): (#(#types,)*)| #start,
                    |__state: &mut #state, __cx: &mut #rt::Cx<'_>| -> ::core::task::Poll<#output> { #resume },
                )
            }
        }
        None => quote!(#rt::broken::<(#(#types,)*), #output>()),
    };
    let docs = format!(
        "The type of [`{name}`](fn@{name}), by which it is named where a value of it is made from an image."
    );
    quote! {
        #[doc = #docs]
        #[allow(non_camel_case_types)]
        #vis struct #name #generics #where_clause {
            __of: ::core::marker::PhantomData<fn() -> (#(#type_params,)*)>,
        }

        impl #impl_generics ::actor_core::migratable::Migratable for #name #ty_generics #where_clause {
            type Args = (#(#types,)*);
            type Output = #output;
            const NAME: &'static str = ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name));
            const FINGERPRINT: u64 = #hash;
            const VERSION: u32 = #version;

            #[allow(
                clippy::all,
                non_camel_case_types,
                irrefutable_let_patterns,
                unreachable_code,
                unreachable_patterns,
                unused_assignments,
                unused_braces,
                unused_labels,
                unused_mut,
                unused_parens,
                unused_variables
            )]
            fn program() -> impl #rt::Program<Args = Self::Args, Output = Self::Output> {
                #program
            }
        }

        #(#attrs)*
        #vis fn #name #generics(#(#idents: #types),*) -> ::actor_core::migratable::Start<#name #ty_generics> #where_clause {
            ::actor_core::migratable::Start::new((#(#idents,)*))
        }
    }
}
