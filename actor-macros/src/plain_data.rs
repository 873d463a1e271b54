//! `#[derive(PlainData)]`, which the message and reply enums carry: `Debug`, and `Clone`, `Serialize` and `Deserialize` where
//! the fields allow.
//!
//! "Where the fields allow" is a bound on the type of each field. For a type without parameters the compiler takes such a
//! bound, `where Rc<u8>: Serialize`, for a mistake if it does not hold. One that mentions a lifetime of the impl's, `where
//! Rc<u8>: SerializeField<'x>`, it looks at only when somebody wants the `Serialize`, and the error is then about the field's
//! type. A type that mentions the enum itself has no bound, which would lead back to where it came from. (Two enums that
//! mention each other do lead back, and are neither `Clone` nor `Serialize`.)
//!
//! It is a derive and not part of `#[actor]`, so that it sees the enum after `#[cfg]` has taken variants out: the bounds of an
//! impl cannot have a `#[cfg]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Data, DeriveInput, Fields, Type, Variant, parse_quote};

use crate::expand::{local, quiet, unraw};
use crate::{types, variants};

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let Data::Enum(data) = &input.data else {
        return syn::Error::new_spanned(&input, "this derive is for generated enums")
            .to_compile_error();
    };
    let variants: Vec<&Variant> = data.variants.iter().collect();
    // An inhabitant of an enum without variants is only there by reference.
    let scrutinee = match variants.is_empty() {
        true => quote!(*self),
        false => quote!(self),
    };
    let derive = Derive {
        input: &input,
        variants,
        scrutinee,
    };
    let impls = [
        derive.debug(),
        derive.clone(),
        derive.serialize(),
        derive.deserialize(),
    ];
    quote!(#(#impls)*)
}

struct Derive<'a> {
    input: &'a DeriveInput,
    variants: Vec<&'a Variant>,
    scrutinee: TokenStream,
}

impl Derive<'_> {
    /// `impl trait for` the enum, if all fields of the variants that are `covered` satisfy `bound`.
    fn implementation(
        &self,
        lifetime: Option<TokenStream>,
        path: &TokenStream,
        bound: Option<&TokenStream>,
        covered: impl Fn(&Variant) -> bool,
        body: &TokenStream,
    ) -> TokenStream {
        let name = &self.input.ident;
        let (_, type_generics, _) = self.input.generics.split_for_impl();
        let mut generics = self.input.generics.clone();
        if let Some(lifetime) = lifetime {
            generics.params.insert(0, parse_quote!(#lifetime));
        }
        if let Some(bound) = bound {
            let mut bounded: Vec<&Type> = Vec::new();
            let covered = self.variants.iter().filter(|variant| covered(variant));
            for field in covered.flat_map(|variant| &variant.fields) {
                let is_self = types::mentions(field.ty.to_token_stream(), name);
                if !is_self && !bounded.contains(&&field.ty) {
                    bounded.push(&field.ty);
                }
            }
            let clause = generics.make_where_clause();
            for ty in bounded {
                clause
                    .predicates
                    .push(parse_quote!(for<'__any> #ty: #bound));
            }
        }
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let quiet = quiet();
        quote! {
            #[automatically_derived]
            #quiet
            impl #impl_generics #path for #name #type_generics #where_clause {
                #body
            }
        }
    }

    fn debug(&self) -> TokenStream {
        let f = local("f");
        let arms = self.variants.iter().map(|variant| {
            let (pattern, fields) = pattern(variant);
            let name = unraw(&variant.ident);
            let shown =
                |field: &Ident| quote!((&&::actor_core::__private::plain::Show(#field)).shown());
            let body = match &variant.fields {
                Fields::Unit => quote!(#f.write_str(#name)),
                Fields::Unnamed(_) => {
                    let fields = fields.iter().map(shown);
                    quote!(#f.debug_tuple(#name)#(.field(#fields))*.finish())
                }
                Fields::Named(named) => {
                    let names = named.named.iter().flat_map(|field| &field.ident).map(unraw);
                    let fields = fields.iter().map(shown);
                    quote!(#f.debug_struct(#name)#(.field(#names, #fields))*.finish())
                }
            };
            quote!(#pattern => #body,)
        });
        let scrutinee = &self.scrutinee;
        let body = quote! {
            #[allow(unused_imports, unused_variables)]
            fn fmt(&self, #f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                use ::actor_core::__private::plain::{ShowPlace as _, ShowValue as _};
                match #scrutinee {
                    #(#arms)*
                }
            }
        };
        self.implementation(None, &quote!(::core::fmt::Debug), None, |_| true, &body)
    }

    fn clone(&self) -> TokenStream {
        let plain = quote!(::actor_core::__private::plain);
        let arms = self.variants.iter().map(|variant| {
            let (pattern, fields) = pattern(variant);
            let clones = fields
                .iter()
                .map(|field| quote!(#plain::CloneField::clone_field(#field)));
            let value = value(variant, clones);
            quote!(#pattern => #value,)
        });
        let bound = quote!(#plain::CloneField<'__x>);
        let scrutinee = &self.scrutinee;
        let body = quote! {
            fn clone(&self) -> Self {
                match #scrutinee {
                    #(#arms)*
                }
            }
        };
        self.implementation(
            Some(quote!('__x)),
            &quote!(::core::clone::Clone),
            Some(&bound),
            |_| true,
            &body,
        )
    }

    fn serialize(&self) -> TokenStream {
        let (to, state) = (local("to"), local("state"));
        let enum_name = unraw(&self.input.ident);
        let ser = quote!(::actor_core::__private::serde::ser);
        let bound = quote!(::actor_core::__private::plain::SerializeField<'__x>);
        let arms = (0_u32..).zip(&self.variants).map(|(at, variant)| {
            let (pattern, fields) = pattern(variant);
            let fields = fields.iter().map(|field| {
                quote!(&::actor_core::__private::plain::SerializeField::frozen(#field))
            });
            let fields: Vec<TokenStream> = fields.collect();
            let name = unraw(&variant.ident);
            let body = match &variant.fields {
                _ if !is_frozen(variant) => not_frozen(variant, &ser),
                Fields::Unit => {
                    quote!(#ser::Serializer::serialize_unit_variant(#to, #enum_name, #at, #name))
                }
                Fields::Unnamed(_) => quote! {
                    #ser::Serializer::serialize_newtype_variant(#to, #enum_name, #at, #name, #(#fields),*)
                },
                Fields::Named(named) => {
                    let names = named.named.iter().flat_map(|field| &field.ident).map(unraw);
                    let count = fields.len();
                    quote! {{
                        let mut #state =
                            #ser::Serializer::serialize_struct_variant(#to, #enum_name, #at, #name, #count)?;
                        #(#ser::SerializeStructVariant::serialize_field(&mut #state, #names, #fields)?;)*
                        #ser::SerializeStructVariant::end(#state)
                    }}
                }
            };
            quote!(#pattern => #body,)
        });
        let scrutinee = &self.scrutinee;
        let parameter = format_ident!("SomeSerializer", span = Span::mixed_site());
        let path = quote!(#ser::Serialize);
        let body = quote! {
            #[allow(unused_variables)]
            fn serialize<#parameter: #ser::Serializer>(
                &self,
                #to: #parameter,
            ) -> ::core::result::Result<#parameter::Ok, #parameter::Error> {
                match #scrutinee {
                    #(#arms)*
                }
            }
        };
        self.implementation(Some(quote!('__x)), &path, Some(&bound), is_frozen, &body)
    }

    fn deserialize(&self) -> TokenStream {
        let variant_ = local("variant");
        let enum_name = unraw(&self.input.ident);
        let de = quote!(::actor_core::__private::serde::de);
        let ok = quote!(::core::result::Result::Ok);
        let arms = self.variants.iter().map(|variant| {
            let (_, fields) = pattern(variant);
            let body = match &variant.fields {
                _ if !is_frozen(variant) => not_frozen(variant, &de),
                Fields::Unit => {
                    let value = value(variant, std::iter::empty::<TokenStream>());
                    quote! {{
                        #de::VariantAccess::unit_variant(#variant_)?;
                        #ok(#value)
                    }}
                }
                Fields::Unnamed(_) => {
                    let ident = &variant.ident;
                    quote! {
                        ::core::result::Result::map(#de::VariantAccess::newtype_variant(#variant_), Self::#ident)
                    }
                }
                Fields::Named(named) => {
                    let names = named.named.iter().flat_map(|field| &field.ident).map(unraw);
                    let types = named.named.iter().map(|field| &field.ty);
                    let value = value(variant, fields.iter().map(ToTokens::to_token_stream));
                    variants::fields(&variant_, names, &fields, types, &value)
                }
            };
            (unraw(&variant.ident), body)
        });
        let bound = quote!(#de::Deserialize<'__de>);
        variants::read(&enum_name, &variant_, arms, |path, body| {
            self.implementation(Some(quote!('__de)), path, Some(&bound), is_frozen, body)
        })
    }
}

/// Whether it has a frozen form: it is not `#[plain(skip)]`.
fn is_frozen(variant: &Variant) -> bool {
    !variant
        .attrs
        .iter()
        .any(|attr| attr.path().is_ident("plain"))
}

/// The error of a variant that has none; `side` is the half of serde whose it is.
fn not_frozen(variant: &Variant, side: &TokenStream) -> TokenStream {
    let text = format!("`{}` is marked `#[snapshot(skip)]`", unraw(&variant.ident));
    quote!(::core::result::Result::Err(#side::Error::custom(#text)))
}

/// The pattern of a variant, and the variables it binds.
fn pattern(variant: &Variant) -> (TokenStream, Vec<Ident>) {
    let bound: Vec<Ident> = (0..variant.fields.len())
        .map(|n| format_ident!("field{n}", span = Span::mixed_site()))
        .collect();
    let pattern = value(variant, bound.iter().map(ToTokens::to_token_stream));
    (pattern, bound)
}

/// A variant with these fields.
fn value(variant: &Variant, fields: impl Iterator<Item = impl ToTokens>) -> TokenStream {
    let name = &variant.ident;
    match &variant.fields {
        Fields::Unit => quote!(Self::#name),
        Fields::Unnamed(_) => quote!(Self::#name(#(#fields),*)),
        Fields::Named(named) => {
            let names = named.named.iter().flat_map(|field| &field.ident);
            quote!(Self::#name { #(#names: #fields),* })
        }
    }
}
