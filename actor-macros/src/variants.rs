//! How an enum is read from its frozen form, by code that all of them share (`actor_core::image::variants`).

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};

use crate::expand::local;

/// The two impls, of `Variants` and `Deserialize`, for the enum called `name`: its variants by their names, each with what reads it,
/// a `Result`, from what is called `variant` there. `implement` puts a body into `impl .. for` the enum, which has a lifetime `'__de`.
pub(crate) fn read(
    name: &str,
    variant: &Ident,
    variants: impl Iterator<Item = (String, TokenStream)>,
    implement: impl Fn(&TokenStream, &TokenStream) -> TokenStream,
) -> TokenStream {
    let (from, at) = (local("from"), local("at"));
    let de = quote!(::actor_core::__private::serde::de);
    let shared = quote!(::actor_core::__private::variants);
    let (names, bodies): (Vec<String>, Vec<TokenStream>) = variants.unzip();
    let last = bodies.len().saturating_sub(1);
    let arms = bodies.iter().enumerate().map(|(n, body)| {
        // The names are looked up in the list, so there is no other number.
        let n = match n == last {
            true => quote!(_),
            false => quote!(#n),
        };
        quote!(#n => #body,)
    });
    let none = bodies.is_empty().then(|| {
        quote! {
            _ => ::core::result::Result::Err(#de::Error::custom("there is no such value")),
        }
    });
    let access = format_ident!("SomeVariant", span = Span::mixed_site());
    let parameter = format_ident!("SomeDeserializer", span = Span::mixed_site());
    let read = implement(
        &quote!(#shared::Variants<'__de>),
        &quote! {
            const NAME: &'static ::core::primitive::str = #name;
            const VARIANTS: &'static [&'static ::core::primitive::str] = &[#(#names),*];

            #[allow(unused_variables)]
            fn read<#access: #de::VariantAccess<'__de>>(
                #at: ::core::primitive::usize,
                #variant: #access,
            ) -> ::core::result::Result<Self, #access::Error> {
                match #at {
                    #(#arms)*
                    #none
                }
            }
        },
    );
    let deserialize = implement(
        &quote!(#de::Deserialize<'__de>),
        &quote! {
            fn deserialize<#parameter: #de::Deserializer<'__de>>(
                #from: #parameter,
            ) -> ::core::result::Result<Self, #parameter::Error> {
                #shared::variants(#from)
            }
        },
    );
    quote!(#read #deserialize)
}

/// What reads the named fields of a variant: binds them, in order, to `fields`, and is `Ok` of `value`.
pub(crate) fn fields<'a, T: ToTokens + 'a>(
    variant: &Ident,
    names: impl Iterator<Item = String>,
    fields: &[impl ToTokens],
    types: impl DoubleEndedIterator<Item = &'a T>,
    value: &TokenStream,
) -> TokenStream {
    let bound = pairs(fields.iter());
    let types = pairs(types);
    quote! {{
        let #bound = ::actor_core::__private::variants::fields::<#types, _>(#variant, &[#(#names),*])?;
        ::core::result::Result::Ok(#value)
    }}
}

/// As nested pairs: `(a, (b, ()))`.
fn pairs(of: impl DoubleEndedIterator<Item = impl ToTokens>) -> TokenStream {
    of.rfold(quote!(()), |rest, one| quote!((#one, #rest)))
}
