//! Enums from their frozen form: what is generated to read messages, replies and the states of migratable functions.
//!
//! # The frozen form
//! That of serde's derive for an enum, *externally tagged*: by the name of the variant, with the parameters by theirs.
//! In JSON `"Get"`, `{"Add":{"by":2}}`, and for a protocol's message `{"Greeter":{"Greet":{"name":"Ada"}}}`. What this allows
//! of an old form in a new program:
//!
//! | change | old form |
//! |---|---|
//! | messages added, reordered | read |
//! | parameters reordered | read, where the format has names |
//! | a parameter of type `Option` added | read, as `None`, where the format has names |
//! | a parameter taken away | read; it is ignored |
//! | a message or parameter renamed, another parameter added | an error that names it |
//!
//! serde's derive would read the same, with two visitors of its own for each variant, and a decoder is compiled anew for each visitor:
//! a program of many migratable functions took the compiler two thirds longer. Here names have one visitor, and the fields of a
//! variant one for all variants with fields of the same types.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// An enum that can be read from its frozen form.
pub trait Variants<'de>: Sized {
    /// Its name.
    const NAME: &'static str;
    /// Those of its variants.
    const VARIANTS: &'static [&'static str];

    /// Reads what is in the variant `at`.
    ///
    /// # Errors
    /// It is not what is expected.
    fn read<A: VariantAccess<'de>>(at: usize, variant: A) -> Result<Self, A::Error>;
}

/// Reads an enum.
///
/// # Errors
/// It is not one, or none of its variants, or not what is expected in the variant.
pub fn variants<'de, T: Variants<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Read<T>(PhantomData<T>);

    impl<'de, T: Variants<'de>> Visitor<'de> for Read<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a variant of {}", T::NAME)
        }

        fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<T, A::Error> {
            let names = Names(T::VARIANTS);
            match access.variant_seed(names)? {
                (Found::At(at), variant) => T::read(at, variant),
                (Found::Unknown(name), _) => Err(A::Error::unknown_variant(&name, T::VARIANTS)),
            }
        }
    }
    from.deserialize_enum(T::NAME, T::VARIANTS, Read(PhantomData))
}

/// Reads the named fields of a variant, as nested pairs: `(a, (b, ()))`.
///
/// # Errors
/// One is missing or given twice, or not what is expected.
pub fn fields<'de, T: Fields<'de>, A: VariantAccess<'de>>(
    variant: A,
    names: &'static [&'static str],
) -> Result<T, A::Error> {
    struct Read<T>(&'static [&'static str], PhantomData<T>);

    impl<'de, T: Fields<'de>> Visitor<'de> for Read<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "the parameters {:?}", self.0)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut found = T::Found::default();
            while let Some(field) = map.next_key_seed(Names(self.0))? {
                match field {
                    Found::At(at) => T::find(&mut found, at, self.0, &mut map)?,
                    Found::Unknown(_) => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            T::complete(found, self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
            T::in_order(0, &self, &mut seq)
        }
    }
    variant.struct_variant(names, Read(names, PhantomData))
}

/// Nested pairs of values that can be read one by one.
pub trait Fields<'de>: Sized {
    /// Those that were found so far.
    type Found: Default;

    /// Reads the value of the field `at`.
    ///
    /// # Errors
    /// It was there already, or is not what is expected.
    fn find<A: MapAccess<'de>>(
        found: &mut Self::Found,
        at: usize,
        names: &'static [&'static str],
        map: &mut A,
    ) -> Result<(), A::Error>;

    /// All of them.
    ///
    /// # Errors
    /// One is missing, and is no `Option`.
    fn complete<E: Error>(found: Self::Found, names: &'static [&'static str]) -> Result<Self, E>;

    /// Reads all in order, the first being number `at`.
    ///
    /// # Errors
    /// There are fewer, or one is not what is expected.
    fn in_order<A: SeqAccess<'de>>(
        at: usize,
        expected: &dyn de::Expected,
        seq: &mut A,
    ) -> Result<Self, A::Error>;
}

impl<'de> Fields<'de> for () {
    type Found = ();

    fn find<A: MapAccess<'de>>(
        (): &mut (),
        _: usize,
        _: &'static [&'static str],
        map: &mut A,
    ) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    fn complete<E: Error>((): (), _: &'static [&'static str]) -> Result<(), E> {
        Ok(())
    }

    fn in_order<A: SeqAccess<'de>>(
        _: usize,
        _: &dyn de::Expected,
        _: &mut A,
    ) -> Result<(), A::Error> {
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>, R: Fields<'de>> Fields<'de> for (T, R) {
    type Found = (Option<T>, R::Found);

    fn find<A: MapAccess<'de>>(
        (first, rest): &mut Self::Found,
        at: usize,
        names: &'static [&'static str],
        map: &mut A,
    ) -> Result<(), A::Error> {
        match at {
            0 if first.is_some() => Err(A::Error::duplicate_field(names[0])),
            0 => {
                *first = Some(map.next_value()?);
                Ok(())
            }
            _ => R::find(rest, at - 1, &names[1..], map),
        }
    }

    fn complete<E: Error>(
        (first, rest): Self::Found,
        names: &'static [&'static str],
    ) -> Result<Self, E> {
        let first = match first {
            Some(first) => first,
            None => T::deserialize(Missing(names[0], PhantomData))?,
        };
        Ok((first, R::complete(rest, &names[1..])?))
    }

    fn in_order<A: SeqAccess<'de>>(
        at: usize,
        expected: &dyn de::Expected,
        seq: &mut A,
    ) -> Result<Self, A::Error> {
        let first = seq.next_element()?;
        let first = first.ok_or_else(|| A::Error::invalid_length(at, expected))?;
        Ok((first, R::in_order(at + 1, expected, seq)?))
    }
}

/// Which of these names it is.
struct Names(&'static [&'static str]);

enum Found {
    At(usize),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Found, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Names {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {:?}", self.0)
    }

    fn visit_u64<E: Error>(self, at: u64) -> Result<Found, E> {
        Ok(match usize::try_from(at) {
            Ok(at) if at < self.0.len() => Found::At(at),
            _ => Found::Unknown(at.to_string()),
        })
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Found, E> {
        Ok(match self.0.iter().position(|known| *known == name) {
            Some(at) => Found::At(at),
            None => Found::Unknown(name.to_owned()),
        })
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Found, E> {
        self.visit_str(&String::from_utf8_lossy(name))
    }
}

/// What a field is read from that is not there: an `Option` is `None`, all else is missing.
struct Missing<E>(&'static str, PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::missing_field(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
