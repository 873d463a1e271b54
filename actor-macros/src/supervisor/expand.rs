//! From the [`model`](super::model) to code.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Fields, Ident, ItemStruct, Type, parse_quote};

use super::model::{Child, Kind, Tree};
use crate::expand::unraw;

/// The field that holds the handle.
const HANDLE: &str = "__tree";

/// The implementation; the definition gets its hidden field. Without `sound` there are errors, and the bodies are empty.
pub(crate) fn tree(tree: &Tree, definition: &mut ItemStruct, sound: bool) -> TokenStream {
    let handle = format_ident!("{HANDLE}");
    if let Fields::Named(fields) = &mut definition.fields {
        fields.named.push(parse_quote! {
            #[doc(hidden)]
            #handle: ::actor_core::__private::tree::Handle
        });
    }
    let Tree {
        name, vis, params, ..
    } = tree;
    let (impl_generics, type_generics, where_clause) = tree.generics.split_for_impl();
    let (names, types): (Vec<_>, Vec<_>) = params.iter().map(|(name, ty)| (name, ty)).unzip();
    let (builder, handles, registered) = if sound {
        (builder(tree), handles(tree, &handle), registered(tree))
    } else {
        let nothing = quote!(::core::unreachable!());
        (nothing.clone(), nothing.clone(), nothing)
    };
    let here = Span::mixed_site();
    let (sys, id) = (Ident::new("sys", here), Ident::new("id", here));
    let what = unraw(name);
    let start_doc = format!(
        "Starts `{what}` in a system, and returns when all of its children have started, in the order of the fields. If one \
         does not start, those before it are stopped, in reverse."
    );
    let spec_doc = format!(
        "`{what}` as a child of another supervisor: for `Supervisor::start_supervisor`, which returns it, and for \
         `SupervisorBuilder::supervisor`."
    );
    quote! {
        #[automatically_derived]
        #[allow(dead_code, clippy::too_many_arguments)]
        impl #impl_generics #name #type_generics #where_clause {
            #[doc = #start_doc]
            ///
            /// # Errors
            /// As `SupervisorBuilder::start`.
            #vis fn start(#sys: &::actor_core::System #(, #names: #types)*)
                -> ::core::result::Result<Self, ::actor_core::SpawnError>
            {
                ::actor_core::__private::tree::start::<Self>(#sys, (#(#names,)*))
            }

            #[doc = #spec_doc]
            #vis fn spec(#id: impl ::core::convert::Into<::std::sync::Arc<str>> #(, #names: #types)*)
                -> ::actor_core::ChildSpec<::actor_core::supervision::TreeSetup<Self>>
            {
                ::actor_core::__private::tree::spec::<Self>(::core::convert::Into::into(#id), (#(#names,)*))
            }

            /// The supervisor.
            #[must_use]
            #vis fn supervisor(&self) -> &::actor_core::Supervisor {
                self.#handle.supervisor()
            }

            /// Takes over the addresses that its children have now. They are others than at the start only where an inner
            /// tree or a dynamic supervisor was itself started again, or a child by hand.
            #vis fn refresh(&mut self) {
                *self = ::actor_core::supervision::Tree::__handles(::core::clone::Clone::clone(&self.#handle));
            }
        }

        #[automatically_derived]
        impl #impl_generics ::core::ops::Deref for #name #type_generics #where_clause {
            type Target = ::actor_core::Supervisor;
            fn deref(&self) -> &::actor_core::Supervisor {
                self.#handle.supervisor()
            }
        }

        #[automatically_derived]
        impl #impl_generics ::actor_core::supervision::Tree for #name #type_generics #where_clause {
            type Args = (#(#types,)*);

            fn __name() -> ::core::option::Option<::std::sync::Arc<str>> {
                #registered
            }

            #[allow(unused_variables, clippy::clone_on_copy, clippy::redundant_clone)]
            fn __builder(__seats: &::actor_core::__private::tree::Seats, __args: Self::Args)
                -> ::actor_core::SupervisorBuilder
            {
                #builder
            }

            fn __handles(__handle: ::actor_core::__private::tree::Handle) -> Self {
                #handles
            }
        }
    }
}

fn registered(tree: &Tree) -> TokenStream {
    match &tree.registered {
        Some(name) => quote_spanned! {at(name)=>
            ::core::option::Option::Some(::core::convert::Into::into(#name))
        },
        None => quote!(::core::option::Option::None),
    }
}

/// The body of `__builder`.
fn builder(tree: &Tree) -> TokenStream {
    let settings = &tree.settings;
    let names = tree.params.iter().map(|(name, _)| name);
    let children = tree.children.iter().map(|child| {
        let cfgs = &child.cfgs;
        let added = added(tree, child);
        quote!(#(#cfgs)* let __builder = { #added };)
    });
    quote! {
        let (#(#names,)*) = __args;
        let __builder = ::actor_core::Supervisor::builder() #settings;
        #(#children)*
        __builder
    }
}

/// The builder with a child more.
fn added(tree: &Tree, child: &Child) -> TokenStream {
    let settings = &child.settings;
    let id = unraw(&child.field);
    let each = |option: &Expr| match &child.kind {
        Kind::Many { .. } => {
            quote_spanned!(at(option)=> ::actor_core::__private::tree::apply(#option, __i))
        }
        _ => option.to_token_stream(),
    };
    let named = child.registered.as_ref().map(|name| {
        let each = each(name);
        quote_spanned!(at(name)=> .name(#each))
    });
    let restored = child.restored.as_ref().map(|policy| {
        let (outside, _) = params(tree, policy);
        let each = each(policy);
        quote_spanned!(at(policy)=> .restore({ #outside #each }))
    });
    match &child.kind {
        Kind::One {
            actor,
            optional,
            make,
        } => {
            let (outside, inside) = params(tree, make);
            let spec = spec_fn(*optional, actor, make);
            let factory = quote_spanned!(at(make)=> { #outside move || { #inside #make } });
            quote!(__builder.child(#spec(__seats, #id, #factory) #settings #named #restored))
        }
        Kind::Many {
            actor,
            optional,
            len,
            make,
        } => {
            let (outside, inside) = params(tree, make);
            let spec = spec_fn(*optional, actor, make);
            let made = of_index(make, quote!(__i));
            let factory = quote_spanned!(at(make)=> { #outside move || { #inside #made } });
            quote! {
                let mut __builder = __builder;
                for __i in 0_usize..#len {
                    let __id = ::actor_core::__private::tree::nth(#id, __i);
                    __builder = __builder.child(
                        #spec(__seats, &__id, #factory) #settings #named #restored
                    );
                }
                __builder
            }
        }
        Kind::Dynamic {
            actor,
            args,
            make,
            template,
            builder,
        } => {
            let (outside, inside) = params(tree, make);
            let made = quote_spanned! {at(make)=>
                ::actor_core::__private::tree::template::<#actor, #args, _>
            };
            let from_args = quote_spanned! {at(make)=> move |__args: &#args| {
                #inside
                ::actor_core::__private::tree::apply(#make, __args)
            }};
            quote! {
                let __setup = {
                    #outside
                    move || {
                        #inside
                        let __template = #made(#id, #from_args);
                        ::actor_core::DynamicSupervisor::builder(__template #template) #builder
                    }
                };
                __builder.supervisor(
                    ::actor_core::__private::tree::dynamic::<#actor, #args>(__seats, #id, __setup) #named
                )
            }
        }
        Kind::Pool {
            actor,
            size,
            make,
            builder,
        } => {
            let (own, _) = params(tree, size);
            let (outside, inside) = params(tree, make);
            let new =
                quote_spanned!(at(make)=> ::actor_core::__private::pool::builder::<#actor, _>);
            let made = of_index(make, quote!(__slot));
            let factory = quote_spanned! {at(make)=>
                { #outside move |__slot: ::core::primitive::usize| { #inside #made } }
            };
            let size = quote_spanned!(at(size)=> { #own #size });
            quote! {
                let __pool = #new(#size, #id, #factory) #builder;
                __builder.supervisor(::actor_core::__private::pool::field(__seats, #id, __pool) #named)
            }
        }
        Kind::Tree { ty, args } => {
            let (outside, inside) = params(tree, quote!(#(#args,)*));
            let spec = quote_spanned!(at(ty)=> ::actor_core::__private::tree::inner::<#ty>);
            let span = args.first().map_or(at(ty), at);
            let args = quote_spanned!(span=> { #outside move || { #inside (#(#args,)*) } });
            quote_spanned!(at(ty)=> __builder.supervisor(#spec(__seats, #id, #args) #settings #named))
        }
    }
}

/// One of many: what a closure makes of its index, or the expression makes alike.
fn of_index(make: &Expr, index: TokenStream) -> TokenStream {
    match make {
        Expr::Closure(closure) => {
            quote_spanned!(at(make)=> ::actor_core::__private::tree::apply(#closure, #index))
        }
        other => quote!(#other),
    }
}

/// The function that makes the spec, at the user's expression: there the compiler says that it makes something else.
fn spec_fn(optional: bool, actor: &Type, make: &Expr) -> TokenStream {
    let mut name = pick(optional, "optional", "child");
    name.set_span(at(make));
    quote_spanned!(at(make)=> ::actor_core::__private::tree::#name::<#actor, _>)
}

/// The place of the user's tokens, for the compiler to point at; names are looked up as those of the macro.
fn at(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}

/// The parameters that `tokens` mention: a clone for the closure, and in it a clone for each evaluation.
fn params(tree: &Tree, tokens: impl ToTokens) -> (TokenStream, TokenStream) {
    let tokens = tokens.to_token_stream();
    let names = tree.params.iter().map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| mentions(&tokens, name)).collect();
    let outside = quote!(#(let #names = ::core::clone::Clone::clone(&#names);)*);
    let inside = outside.clone();
    (outside, inside)
}

/// Also inside of string literals, for the arguments of `format!`.
fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Literal(literal) => {
            let text = literal.to_string();
            text.starts_with('"') && text.contains(&format!("{{{name}"))
        }
        TokenTree::Punct(_) => false,
    })
}

/// The body of `__handles`.
fn handles(tree: &Tree, handle: &Ident) -> TokenStream {
    let fields = tree.children.iter().map(|child| {
        let Child { field, cfgs, .. } = child;
        let id = unraw(field);
        let called = |method: Ident| quote!(__handle.#method(#id));
        let value = match &child.kind {
            Kind::One { optional, .. } => called(pick(*optional, "maybe", "addr")),
            Kind::Many { optional, .. } => called(pick(*optional, "maybe_many", "many")),
            Kind::Dynamic { .. } => called(format_ident!("dynamic")),
            Kind::Pool { .. } => quote!(::actor_core::__private::pool::handle(&__handle, #id)),
            Kind::Tree { ty, .. } => quote_spanned!(at(ty)=> __handle.tree(#id)),
        };
        quote!(#(#cfgs)* #field: #value,)
    });
    quote!(Self { #(#fields)* #handle: __handle })
}

fn pick(first: bool, yes: &str, no: &str) -> Ident {
    let name = if first { yes } else { no };
    Ident::new(name, Span::call_site())
}
