// SPDX-License-Identifier: Apache-2.0
//! Arguments of slight's interfaces: lengths and counts first, contents after.
//!
//! A guest's pointers may overlap: ten thousand entries of a list can all point at
//! the same megabytes. So lifting copies nothing and reads no text. It notes where
//! things lie and how long they are; the sums are checked; only what may be right
//! by its length is read then, and none of it twice.

use std::mem::MaybeUninit;

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{
    bad_type_info, CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext,
};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{bail, Result, ValRaw};

use crate::abi::SlBytes;

/// The bytes that one call of the host touches at most, but for a single value that
/// the manifest allows to be larger: contents of texts and lists, and what lists
/// have for each entry. C has the same for the calls that take many.
pub const CALL_BYTES_MAX: usize = 64 << 20;

/// Texts that are read, and values that are copied, on the runtime's own thread.
/// Measured on one core: a millisecond is 0.5 MiB of UTF-8 that is not ASCII, which
/// both Rust and C look through, 0.3 MiB where it is JSON besides, and 9 MiB that
/// are copied. C may check twice (service.c), and machines differ: the half.
pub const READ_BYTES_INLINE: usize = 128 << 10;
pub const COPIED_BYTES_INLINE: usize = 4 << 20;

/// The flag in the length of a compact text that is UTF-16.
const UTF16_TAG: usize = 1 << 31;

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16,
    Latin1,
}

/// Where bytes lie in the guest's memory: they stay there, and as they are, until
/// the host function that got them returns.
#[derive(Clone, Copy)]
struct Place {
    ptr: *const u8,
    len: usize,
}

// SAFETY: read only by the host function that lifted it.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Place {
    fn of(memory: &[u8], at: usize, len: Option<usize>, align: usize) -> Result<Place> {
        let end = len.and_then(|len| at.checked_add(len));
        match (len, end) {
            (Some(len), Some(end)) if end <= memory.len() => {
                if at % align != 0 {
                    bail!("a pointer is not aligned to {align}");
                }
                Ok(Place { ptr: memory[at..].as_ptr(), len })
            }
            _ => bail!("a pointer and a length are out of bounds of the memory"),
        }
    }

    /// # Safety
    /// The host function that lifted it has not returned.
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: in bounds when it was lifted, and memory never shrinks.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

fn pair_of_flat(source: &[ValRaw; 2]) -> (usize, usize) {
    (source[0].get_u32() as usize, source[1].get_u32() as usize)
}

fn pair_of_memory(bytes: &[u8]) -> Result<(usize, usize)> {
    let word = |at: usize| -> Result<usize> {
        match bytes.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) {
            Some(bytes) => Ok(u32::from_le_bytes(bytes) as usize),
            None => bail!("a pointer and a length of less than 8 bytes"),
        }
    };
    Ok((word(0)?, word(4)?))
}

fn element_of(cx: &LiftContext<'_>, ty: InterfaceType) -> InterfaceType {
    match ty {
        InterfaceType::List(list) => cx.types[list].element,
        _ => bad_type_info(),
    }
}

/// Implements both ways of lifting a pointer and a length by one function.
macro_rules! lift_pair {
    ($lift:path) => {
        fn linear_lift_from_flat(
            cx: &mut LiftContext<'_>,
            ty: InterfaceType,
            source: &Self::Lower,
        ) -> Result<Self> {
            $lift(cx, ty, pair_of_flat(source))
        }

        fn linear_lift_from_memory(
            cx: &mut LiftContext<'_>,
            ty: InterfaceType,
            bytes: &[u8],
        ) -> Result<Self> {
            $lift(cx, ty, pair_of_memory(bytes)?)
        }
    };
}

/// The type of another one, in the guest's terms.
macro_rules! typed_as {
    ($other:ty) => {
        type Lower = <$other as ComponentType>::Lower;
        const ABI: CanonicalAbiInfo = CanonicalAbiInfo::POINTER_PAIR;

        fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
            <$other as ComponentType>::typecheck(ty, types)
        }
    };
}

/// A text that has not been read yet.
#[derive(Clone, Copy)]
pub struct Text {
    place: Place,
    units: usize,
    encoding: Encoding,
}

impl Text {
    fn lift(cx: &mut LiftContext<'_>, _: InterfaceType, (at, len): (usize, usize)) -> Result<Text> {
        let (encoding, units, align) = match cx.options().string_encoding {
            StringEncoding::Utf8 => (Encoding::Utf8, len, 1),
            StringEncoding::Utf16 => (Encoding::Utf16, len, 2),
            StringEncoding::CompactUtf16 if len & UTF16_TAG != 0 => {
                (Encoding::Utf16, len ^ UTF16_TAG, 2)
            }
            StringEncoding::CompactUtf16 => (Encoding::Latin1, len, 2),
        };
        let size = match encoding {
            Encoding::Utf16 => units.checked_mul(2),
            _ => Some(units),
        };
        Ok(Text { place: Place::of(cx.memory(), at, size, align)?, units, encoding })
    }

    /// Its UTF-8 has at least this many bytes.
    pub fn len(&self) -> usize {
        self.units
    }

    /// Its UTF-8. A text that is certainly longer than `most` is not read: C, which
    /// knows the same limit, refuses it by its length and reads it no more than
    /// this does. Bytes that are not in its encoding are an error, which ends the
    /// guest.
    pub fn read(&self, most: usize, converted: &mut Converted) -> Result<SlBytes> {
        if self.units > most {
            return Ok(SlBytes { ptr: self.place.ptr, len: self.units });
        }
        // SAFETY: host functions read what they are given before they return.
        let bytes = unsafe { self.place.bytes() };
        match self.encoding {
            Encoding::Utf8 => Ok(SlBytes::of(std::str::from_utf8(bytes)?.as_bytes())),
            Encoding::Latin1 => {
                converted.add(bytes.iter().map(|&b| Ok(char::from(b))), bytes.len())
            }
            Encoding::Utf16 => {
                let (units, _) = bytes.as_chunks::<2>();
                let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
                let characters = char::decode_utf16(units)
                    .map(|c| c.map_err(|_| wasmtime::Error::msg("a text is not UTF-16")));
                converted.add(characters, self.units)
            }
        }
    }
}

// SAFETY: a string, in the guest's terms.
unsafe impl ComponentType for Text {
    typed_as!(str);
}

// SAFETY: it is in bounds; what it holds is read elsewhere.
unsafe impl Lift for Text {
    lift_pair!(Text::lift);
}

/// Texts of a guest whose strings are not UTF-8, in one piece of memory for many.
#[derive(Default)]
pub struct Converted(Vec<String>);

impl Converted {
    const PIECE: usize = 16 << 10;
    /// Of UTF-8, for one unit of another encoding.
    const BYTES_PER_UNIT: usize = 3;

    /// The text stays where it is: a piece never grows.
    fn add(
        &mut self,
        characters: impl Iterator<Item = Result<char>>,
        units: usize,
    ) -> Result<SlBytes> {
        let needed = units * Self::BYTES_PER_UNIT;
        let has_room = |piece: &&mut String| piece.capacity() - piece.len() >= needed;
        if self.0.last_mut().as_ref().is_none_or(|piece| !has_room(piece)) {
            self.0.push(String::with_capacity(needed.max(Self::PIECE)));
        }
        let Some(piece) = self.0.last_mut() else {
            bail!("no memory for a text");
        };
        let begin = piece.len();
        for character in characters {
            piece.push(character?);
        }
        Ok(SlBytes::of(piece[begin..].as_bytes()))
    }
}

/// A `list<u8>`.
#[derive(Clone, Copy)]
pub struct Blob(Place);

impl Blob {
    fn lift(cx: &mut LiftContext<'_>, _: InterfaceType, (at, len): (usize, usize)) -> Result<Blob> {
        Ok(Blob(Place::of(cx.memory(), at, Some(len), 1)?))
    }

    pub fn len(&self) -> usize {
        self.0.len
    }

    pub fn bytes(&self) -> SlBytes {
        SlBytes { ptr: self.0.ptr, len: self.0.len }
    }
}

// SAFETY: a list of bytes, in the guest's terms.
unsafe impl ComponentType for Blob {
    typed_as!([u8]);
}

// SAFETY: it is in bounds, and any bytes are bytes.
unsafe impl Lift for Blob {
    lift_pair!(Blob::lift);
}

/// A list of which no more than the first `MOST` and one more are lifted: C refuses
/// a call with that.
pub struct Items<T, const MOST: usize>(pub Vec<T>);

impl<T: Lift, const MOST: usize> Items<T, MOST> {
    fn lift(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        (at, len): (usize, usize),
    ) -> Result<Self> {
        let element = element_of(cx, ty);
        let bytes = list_bytes::<T>(cx, at, len)?;
        let taken = len.min(MOST + 1) * T::SIZE32;
        let items = bytes[..taken].chunks_exact(T::SIZE32.max(1));
        let items = items.map(|bytes| T::linear_lift_from_memory(cx, element, bytes));
        Ok(Items(items.collect::<Result<_>>()?))
    }
}

/// Where a list of `T` lies, which is in bounds.
fn list_bytes<'a, T: Lift>(cx: &LiftContext<'a>, at: usize, len: usize) -> Result<&'a [u8]> {
    let place = Place::of(cx.memory(), at, len.checked_mul(T::SIZE32), T::ALIGN32 as usize)?;
    Ok(&cx.memory()[at..][..place.len])
}

// SAFETY: a list, in the guest's terms.
unsafe impl<T: Lift, const MOST: usize> ComponentType for Items<T, MOST> {
    typed_as!([T]);
}

// SAFETY: every element is lifted as its type demands.
unsafe impl<T: Lift, const MOST: usize> Lift for Items<T, MOST> {
    lift_pair!(Self::lift);
}

/// Lists whose elements are lifted for all of them together, into what counts them.
pub trait Gather: Sized + Send + Sync + 'static {
    type Element: Lift;
    /// Lists in the list.
    const LISTS_MAX: usize;
    const ELEMENTS_MAX: usize;

    /// Before any is lifted: lists, and elements of all of them.
    fn begin(lists: usize, elements: usize) -> Self;
    /// False: no more.
    fn add(&mut self, element: Self::Element) -> bool;
    fn end_list(&mut self);
}

/// A list of them; `One` is the same for one list that is alone.
pub struct Lists<G>(pub G);
pub struct One<G>(pub G);

/// The elements of a list, as far as they are wanted. False: no more of any.
fn gather<G: Gather>(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    (at, len): (usize, usize),
    into: &mut G,
) -> Result<bool> {
    let element = element_of(cx, ty);
    let bytes = list_bytes::<G::Element>(cx, at, len)?;
    let taken = len.min(G::ELEMENTS_MAX + 1) * G::Element::SIZE32;
    for bytes in bytes[..taken].chunks_exact(G::Element::SIZE32.max(1)) {
        if !into.add(G::Element::linear_lift_from_memory(cx, element, bytes)?) {
            return Ok(false);
        }
    }
    into.end_list();
    Ok(true)
}

impl<G: Gather> Lists<G> {
    fn lift(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        (at, len): (usize, usize),
    ) -> Result<Self> {
        const PAIR: usize = 8;
        let lists = element_of(cx, ty);
        let place = Place::of(cx.memory(), at, len.checked_mul(PAIR), 4)?;
        let bytes = &cx.memory()[at..][..place.len];
        let bytes = &bytes[..len.min(G::LISTS_MAX + 1) * PAIR];
        let mut elements = 0_usize;
        for pair in bytes.chunks_exact(PAIR) {
            elements += pair_of_memory(pair)?.1.min(G::ELEMENTS_MAX + 1);
        }
        let mut into = G::begin(bytes.len() / PAIR, elements);
        for pair in bytes.chunks_exact(PAIR) {
            if !gather(cx, lists, pair_of_memory(pair)?, &mut into)? {
                break;
            }
        }
        Ok(Lists(into))
    }
}

impl<G: Gather> One<G> {
    fn lift(cx: &mut LiftContext<'_>, ty: InterfaceType, pair: (usize, usize)) -> Result<Self> {
        let mut into = G::begin(1, pair.1.min(G::ELEMENTS_MAX + 1));
        gather(cx, ty, pair, &mut into)?;
        Ok(One(into))
    }
}

// SAFETY: a list of lists, in the guest's terms.
unsafe impl<G: Gather> ComponentType for Lists<G> {
    typed_as!([Vec<G::Element>]);
}

// SAFETY: every element is lifted as its type demands.
unsafe impl<G: Gather> Lift for Lists<G> {
    lift_pair!(Self::lift);
}

// SAFETY: a list, in the guest's terms.
unsafe impl<G: Gather> ComponentType for One<G> {
    typed_as!([G::Element]);
}

// SAFETY: as above.
unsafe impl<G: Gather> Lift for One<G> {
    lift_pair!(Self::lift);
}

/// Lower types are made of `ValRaw`s only, so that the pair is one.
const _: () = assert!(size_of::<MaybeUninit<[ValRaw; 2]>>() == 2 * size_of::<ValRaw>());

/// What a call touches of the guest's memory.
#[derive(Default, Clone, Copy)]
pub struct Touched {
    pub read: usize,
    pub copied: usize,
}

impl Touched {
    pub fn text(mut self, text: &Text) -> Self {
        self.read = self.read.saturating_add(text.len());
        self
    }

    pub fn blob(mut self, blob: &Blob) -> Self {
        self.copied = self.copied.saturating_add(blob.len());
        self
    }

    pub fn bytes(self) -> usize {
        self.read.saturating_add(self.copied)
    }
}

impl Touched {
    /// It would keep a thread of the runtime for longer than a millisecond. How long
    /// it takes is bounded by `CALL_BYTES_MAX`: measured on one core, 0.4 s.
    pub fn takes_long(self) -> bool {
        self.read > READ_BYTES_INLINE || self.copied > COPIED_BYTES_INLINE
    }
}
