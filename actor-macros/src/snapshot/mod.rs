//! `snapshot` in `#[actor(..)]` on a struct: the type of what is kept of it, and the implementation of `Snapshot`.
//!
//! `read` takes the options and the attributes of the fields apart; here is what becomes of them. The type of the state is read by
//! serde's own derive, so that what may be read (a field added as an `Option`, fields in another order) is what people expect of
//! serde. It is written by code of ours, from the actor's fields as they are, so that nothing need be cloned.

mod read;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Fields, Index, ItemStruct, Member, parse_quote};

use crate::expand::{local, quiet};
use crate::types;

use read::{Field, How};
pub(crate) use read::{Options, forbid, of_message, options, take_from_fields};

/// The code for a struct whose fields were read.
pub(crate) fn expand(options: &Options, item: &ItemStruct, fields: &[Field]) -> TokenStream {
    let state = State::new(item, fields);
    let definition = state.definition();
    let implementation = state.implementation(options);
    quote!(#definition #implementation)
}

struct State<'a> {
    item: &'a ItemStruct,
    /// All fields of the actor.
    fields: &'a [Field],
    /// Those that are kept, each with its number.
    kept: Vec<(&'a Field, usize)>,
    name: Ident,
    generics: syn::Generics,
}

impl<'a> State<'a> {
    fn new(item: &'a ItemStruct, fields: &'a [Field]) -> Self {
        let kept = fields.iter().filter(|field| !field.is_skipped());
        let kept: Vec<_> = kept.zip(0..).collect();
        let types = kept.iter().map(|(field, _)| &field.ty);
        let generics = types::generics_used(&item.generics, &quote!(#(#types),*));
        let name = format_ident!("{}Snapshot", item.ident);
        State {
            item,
            fields,
            kept,
            name,
            generics,
        }
    }

    fn definition(&self) -> TokenStream {
        let State { name, generics, .. } = self;
        let (vis, of) = (&self.item.vis, &self.item.ident);
        let doc = format!("What a snapshot keeps of [`{of}`].");
        let fields = self.kept.iter().map(|(field, _)| {
            let Field { vis, ty, .. } = field;
            let doc = match &field.member {
                Member::Named(name) => format!("The field `{name}`."),
                Member::Unnamed(index) => format!("The field {}.", index.index),
            };
            let renamed = (field.rename.as_ref()).map(|it| quote!(#[serde(rename = #it)]));
            let with = field.with().map(|path| {
                let path = types::show(path);
                quote!(#[serde(with = #path)])
            });
            let name = match &field.member {
                Member::Named(name) => Some(quote!(#name:)),
                Member::Unnamed(_) => None,
            };
            quote!(#[doc = #doc] #renamed #with #vis #name #ty)
        });
        let where_clause = &generics.where_clause;
        let body = match &self.item.fields {
            Fields::Named(_) => quote!(#where_clause { #(#fields),* }),
            Fields::Unnamed(_) => quote!(( #(#fields),* ) #where_clause;),
            Fields::Unit => quote!(#where_clause;),
        };
        let quiet = quiet();
        quote! {
            #[doc = #doc]
            #quiet
            #[derive(::actor_core::__private::serde::Serialize, ::actor_core::__private::serde::Deserialize)]
            #[serde(crate = "::actor_core::__private::serde")]
            #vis struct #name #generics #body
        }
    }

    fn implementation(&self, options: &Options) -> TokenStream {
        // Where the compiler says what the actor lacks for it.
        let here = options.key.span();
        let of = Ident::new(
            &self.item.ident.to_string(),
            self.item.ident.span().located_at(here),
        );
        let state = &self.name;
        let (_, type_generics, _) = self.item.generics.split_for_impl();
        let (_, state_generics, _) = self.generics.split_for_impl();
        let generics = self.bounds();
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let version = options.version.as_ref().map(|version| {
            quote_spanned!(version.span()=> const VERSION: ::core::primitive::u32 = #version;)
        });
        let upgrade = options.upgrade.as_ref().map(|path| {
            let old = local("old");
            let call = quote_spanned!(path.span()=> #path(#old));
            quote! {
                fn upgrade(
                    #old: ::actor_core::snapshot::OldState<'_>,
                ) -> ::core::result::Result<Self::State, ::actor_core::snapshot::UpgradeError> {
                    #call
                }
            }
        });
        let (save, load) = (self.save(), self.load());
        let own_stack = self.item.generics.params.is_empty().then(|| {
            quote_spanned! {here=>
                const _: () = ::core::assert!(
                    !<#of as ::actor_core::Actor>::OWN_STACK,
                    "an actor with its own stack has its state there: take `snapshot` off, and let it write what it keeps itself"
                );
            }
        });
        let quiet = quiet();
        quote_spanned! {here=>
            #[automatically_derived]
            #quiet
            impl #impl_generics ::actor_core::snapshot::Snapshot for #of #type_generics #where_clause {
                type State = #state #state_generics;
                #version
                #save
                #load
                #upgrade
            }
            #own_stack
        }
    }

    /// The generics of the implementation: what depends on parameters is looked at where they are known.
    fn bounds(&self) -> syn::Generics {
        let mut generics = self.item.generics.clone();
        if generics.params.is_empty() {
            return generics;
        }
        let (of, state) = (&self.item.ident, &self.name);
        let type_generics = self.item.generics.clone();
        let (_, type_generics, _) = type_generics.split_for_impl();
        let (_, state_generics, _) = self.generics.split_for_impl();
        let serde = quote!(::actor_core::__private::serde);
        let clause = generics.make_where_clause();
        clause.predicates.push(parse_quote! {
            #of #type_generics: ::actor_core::Actor<Msg: #serde::Serialize + #serde::de::DeserializeOwned>
        });
        clause.predicates.push(parse_quote! {
            #state #state_generics: #serde::de::DeserializeOwned
        });
        for field in self.fields {
            let ty = &field.ty;
            let used = types::generics_used(&self.item.generics, &quote!(#ty));
            if used.params.is_empty() {
                continue;
            }
            match &field.how {
                How::Plain => clause.predicates.push(parse_quote!(#ty: #serde::Serialize)),
                How::Skip(None) => {
                    clause
                        .predicates
                        .push(parse_quote!(#ty: ::core::default::Default));
                }
                How::Skip(Some(_)) | How::With(_) => {}
            }
        }
        generics
    }

    fn save(&self) -> TokenStream {
        let (to, out) = (local("to"), local("out"));
        let parameter = format_ident!("SomeSerializer", span = Span::mixed_site());
        let ser = quote!(::actor_core::__private::serde::ser);
        let (name, count) = (self.name.to_string(), self.kept.len());
        let (types, values): (Vec<_>, Vec<_>) = (self.kept.iter())
            .map(|(field, at)| self.value(field, *at))
            .unzip();
        let values = values.iter();
        let body = match &self.item.fields {
            Fields::Named(_) => {
                let names = self.kept.iter().map(|(field, _)| field.frozen_name());
                quote! {
                    let mut #out = #ser::Serializer::serialize_struct(#to, #name, #count)?;
                    #(#ser::SerializeStruct::serialize_field(&mut #out, #names, #values)?;)*
                    #ser::SerializeStruct::end(#out)
                }
            }
            Fields::Unnamed(_) if count == 1 => quote! {
                #ser::Serializer::serialize_newtype_struct(#to, #name, #(#values)*)
            },
            Fields::Unnamed(_) => quote! {
                let mut #out = #ser::Serializer::serialize_tuple_struct(#to, #name, #count)?;
                #(#ser::SerializeTupleStruct::serialize_field(&mut #out, #values)?;)*
                #ser::SerializeTupleStruct::end(#out)
            },
            Fields::Unit => quote!(#ser::Serializer::serialize_unit_struct(#to, #name)),
        };
        quote! {
            #[allow(unused_mut)]
            fn save<#parameter: #ser::Serializer>(
                &self,
                #to: #parameter,
            ) -> ::core::result::Result<#parameter::Ok, #parameter::Error> {
                #(#types)*
                #body
            }
        }
    }

    /// A reference to what is written of the field with this number, and the type that it needs, if any.
    fn value(&self, field: &Field, at: usize) -> (Option<TokenStream>, TokenStream) {
        let (member, ty) = (&field.member, &field.ty);
        let Some(path) = field.with() else {
            return (None, quote_spanned!(ty.span()=> &self.#member));
        };
        // A type of its own, as the function is generic over the serializer.
        let mut generics = types::generics_used(&self.item.generics, &quote!(#ty));
        generics.params.insert(0, parse_quote!('__field));
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        let with = format_ident!("WrittenWith{at}", span = Span::mixed_site());
        let parameter = format_ident!("OtherSerializer", span = Span::mixed_site());
        let (ser, to) = (quote!(::actor_core::__private::serde::ser), local("to"));
        let call = quote_spanned!(path.span()=> #path::serialize(self.0, #to));
        let definition = quote! {
            struct #with #impl_generics (&'__field #ty) #where_clause;
            impl #impl_generics #ser::Serialize for #with #type_generics #where_clause {
                fn serialize<#parameter: #ser::Serializer>(
                    &self,
                    #to: #parameter,
                ) -> ::core::result::Result<#parameter::Ok, #parameter::Error> {
                    #call
                }
            }
        };
        (Some(definition), quote!(&#with(&self.#member)))
    }

    fn load(&self) -> TokenStream {
        let state = local("state");
        let mut kept = self.kept.iter();
        let values = self.fields.iter().map(|field| {
            let (member, ty) = (&field.member, &field.ty);
            let value = match &field.how {
                How::Skip(None) => {
                    quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
                }
                How::Skip(Some(expr)) => quote_spanned!(expr.span()=> #expr),
                How::Plain | How::With(_) => {
                    let at = kept.next().map_or(0, |(_, at)| *at);
                    let from = match member {
                        Member::Named(name) => Member::Named(name.clone()),
                        Member::Unnamed(_) => Member::Unnamed(Index::from(at)),
                    };
                    quote!(#state.#from)
                }
            };
            quote!(#member: #value)
        });
        quote! {
            #[allow(unused_variables)]
            fn load(#state: Self::State) -> Self {
                Self { #(#values),* }
            }
        }
    }
}
