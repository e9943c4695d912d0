//! Integer functions against arithmetic on 128-bit integers.

use super::numbers::Random;
use super::{Buffer, load, run};
use crate::load::Loaded;
use std::sync::LazyLock;

static KERNELS: LazyLock<Loaded> = LazyLock::new(|| load("integers.metal", &[]));

const COUNT: usize = 1 << 12;

/// An integer type of the kernels.
trait Integer: bytemuck::Pod + std::fmt::Debug + PartialEq {
    /// Its name in the kernels' names.
    const NAME: &'static str;
    const BITS: u32 = 8 * size_of::<Self>() as u32;
    const MIN: i128;
    const MAX: i128;
    fn wide(self) -> i128;
    /// The low bits.
    fn narrow(x: i128) -> Self;
}

macro_rules! integers {
    ($($T:ident $name:literal),*) => {$(
        impl Integer for $T {
            const NAME: &'static str = $name;
            const MIN: i128 = $T::MIN as i128;
            const MAX: i128 = $T::MAX as i128;
            fn wide(self) -> i128 {
                self.into()
            }
            fn narrow(x: i128) -> Self {
                x as $T
            }
        }
    )*};
}
integers!(i8 "i8", u8 "u8", i16 "i16", u16 "u16", i32 "i32", u32 "u32", i64 "i64", u64 "u64");

/// Random bits of every length, and the limits.
fn operands<T: Integer>(random: &mut Random) -> Buffer<T> {
    let limits = [0, 1, -1, T::MIN, T::MAX, T::MIN + 1, T::MAX - 1, 2];
    let values: Vec<T> = (0..COUNT)
        .map(|_| match random.bits() {
            bits if bits % 8 == 0 => T::narrow(limits[(bits >> 8) as usize % limits.len()]),
            bits => T::narrow(i128::from(bits.cast_signed()) >> (random.bits() % 64)),
        })
        .collect();
    Buffer::new(&values)
}

/// The value's bits as an unsigned number.
fn unsigned<T: Integer>(x: i128) -> u128 {
    x.cast_unsigned() & (u128::MAX >> (128 - T::BITS))
}

/// A function's name and its result before it is cut to T.
type Reference<T> = (&'static str, fn(T, T, T) -> i128);

fn references<T: Integer>() -> Vec<Reference<T>> {
    fn limited<T: Integer>(x: i128) -> i128 {
        x.clamp(T::MIN, T::MAX)
    }
    vec![
        ("abs", |x, _, _| x.wide().abs()),
        ("clz", |x, _, _| {
            (unsigned::<T>(x.wide()).leading_zeros() - (128 - T::BITS)).into()
        }),
        ("ctz", |x, _, _| {
            unsigned::<T>(x.wide()).trailing_zeros().min(T::BITS).into()
        }),
        ("popcount", |x, _, _| {
            unsigned::<T>(x.wide()).count_ones().into()
        }),
        ("reverse_bits", |x, _, _| {
            (unsigned::<T>(x.wide()).reverse_bits() >> (128 - T::BITS)).cast_signed()
        }),
        ("min", |x, y, _| x.wide().min(y.wide())),
        ("max", |x, y, _| x.wide().max(y.wide())),
        ("addsat", |x, y, _| limited::<T>(x.wide() + y.wide())),
        ("subsat", |x, y, _| limited::<T>(x.wide() - y.wide())),
        ("hadd", |x, y, _| (x.wide() + y.wide()) >> 1),
        ("rhadd", |x, y, _| (x.wide() + y.wide() + 1) >> 1),
        ("mulhi", |x, y, _| high_product::<T>(x, y)),
        ("rotate", |x, y, _| {
            let n = unsigned::<T>(y.wide()) as u32 % T::BITS;
            let bits = unsigned::<T>(x.wide());
            (bits << n | bits >> (T::BITS - n)).cast_signed()
        }),
        ("min3", |x, y, z| x.wide().min(y.wide()).min(z.wide())),
        ("max3", |x, y, z| x.wide().max(y.wide()).max(z.wide())),
        ("median3", |x, y, z| {
            let mut all = [x.wide(), y.wide(), z.wide()];
            all.sort_unstable();
            all[1]
        }),
        ("clamp", |x, y, z| x.wide().max(y.wide()).min(z.wide())),
        ("madhi", |x, y, z| high_product::<T>(x, y) + z.wide()),
        ("madsat", |x, y, z| {
            limited::<T>(
                x.wide()
                    .checked_mul(y.wide())
                    .map_or(T::MAX, |p| p + z.wide()),
            )
        }),
    ]
}

/// The upper half of the product.
fn high_product<T: Integer>(x: T, y: T) -> i128 {
    if T::MIN < 0 || T::BITS < 64 {
        (x.wide() * y.wide()) >> T::BITS
    } else {
        // Two unsigned 64-bit numbers need all of a u128.
        ((x.wide().cast_unsigned() * y.wide().cast_unsigned()) >> T::BITS).cast_signed()
    }
}

/// Runs every function on scalars, or on vectors of `width` components.
fn check<T: Integer>(random: &mut Random, width: usize) {
    let (x, y, z) = (
        operands::<T>(random),
        operands::<T>(random),
        operands::<T>(random),
    );
    let mut r = Buffer::filled(T::narrow(0), COUNT);
    for (name, reference) in references::<T>() {
        let kernel = match width {
            1 => format!("{name}_{}", T::NAME),
            _ => format!("{name}_{}x{width}", T::NAME),
        };
        let arguments = [x.read(), y.read(), z.read(), r.write()];
        // A count that every width divides.
        let threads = COUNT / 12 * 12 / width;
        run(&KERNELS, &kernel, threads, &arguments);
        for i in 0..threads * width {
            let expected = T::narrow(reference(x[i], y[i], z[i]));
            assert_eq!(
                r[i], expected,
                "{kernel}({:?}, {:?}, {:?})",
                x[i], y[i], z[i]
            );
        }
    }
}

#[test]
fn functions_agree_with_wide_arithmetic() {
    let random = &mut Random::new();
    check::<i8>(random, 1);
    check::<u8>(random, 1);
    check::<i16>(random, 1);
    check::<u16>(random, 1);
    check::<i32>(random, 1);
    check::<u32>(random, 1);
    check::<i64>(random, 1);
    check::<u64>(random, 1);
}

#[test]
fn functions_of_vectors_agree_with_wide_arithmetic() {
    let random = &mut Random::new();
    check::<i8>(random, 4);
    check::<u16>(random, 2);
    check::<i32>(random, 4);
    check::<u32>(random, 3);
    check::<i64>(random, 2);
}

/// The difference has the unsigned type `U`.
fn check_absdiff<T: Integer, U: Integer>(random: &mut Random) {
    let (x, y) = (operands::<T>(random), operands::<T>(random));
    let mut r = Buffer::filled(U::narrow(0), COUNT);
    let kernel = format!("absdiff_{}", T::NAME);
    run(
        &KERNELS,
        &kernel,
        COUNT,
        &[x.read(), y.read(), x.read(), r.write()],
    );
    for i in 0..COUNT {
        let expected = U::narrow((x[i].wide() - y[i].wide()).abs());
        assert_eq!(r[i], expected, "{kernel}({:?}, {:?})", x[i], y[i]);
    }
}

#[test]
fn absolute_differences_do_not_overflow() {
    let random = &mut Random::new();
    check_absdiff::<i8, u8>(random);
    check_absdiff::<u8, u8>(random);
    check_absdiff::<i16, u16>(random);
    check_absdiff::<u16, u16>(random);
    check_absdiff::<i32, u32>(random);
    check_absdiff::<u32, u32>(random);
    check_absdiff::<i64, u64>(random);
    check_absdiff::<u64, u64>(random);
}

/// Only the low 24 bits of the factors count, sign-extended for int.
fn check_24_bits<T: Integer>(random: &mut Random) {
    let (x, y, z) = (
        operands::<T>(random),
        operands::<T>(random),
        operands::<T>(random),
    );
    let factor = |x: T| {
        let low = x.wide() & 0xff_ffff;
        if T::MIN < 0 && low >= 1 << 23 {
            low - (1 << 24)
        } else {
            low
        }
    };
    let mut r = Buffer::filled(T::narrow(0), COUNT);
    for (name, scale) in [("mul24", 0), ("mad24", 1)] {
        let kernel = format!("{name}_{}", T::NAME);
        run(
            &KERNELS,
            &kernel,
            COUNT,
            &[x.read(), y.read(), z.read(), r.write()],
        );
        for i in 0..COUNT {
            let expected = T::narrow(factor(x[i]) * factor(y[i]) + scale * z[i].wide());
            assert_eq!(
                r[i], expected,
                "{kernel}({:?}, {:?}, {:?})",
                x[i], y[i], z[i]
            );
        }
    }
}

#[test]
fn products_of_24_bits_ignore_the_rest() {
    let random = &mut Random::new();
    check_24_bits::<i32>(random);
    check_24_bits::<u32>(random);
}

/// Fields of every offset and length, none and all bits among them.
fn check_fields<T: Integer>(random: &mut Random) {
    let (x, base) = (operands::<T>(random), operands::<T>(random));
    let fields: Vec<[u32; 2]> = (0..COUNT)
        .map(|_| {
            let offset = random.bits() as u32 % T::BITS;
            [offset, random.bits() as u32 % (T::BITS - offset + 1)]
        })
        .collect();
    let fields = Buffer::new(&fields);
    let mask = |count: u32| (1i128 << count) - 1;

    let mut r = Buffer::filled(T::narrow(0), COUNT);
    let kernel = format!("extract_bits_{}", T::NAME);
    run(
        &KERNELS,
        &kernel,
        COUNT,
        &[x.read(), fields.read(), r.write()],
    );
    for i in 0..COUNT {
        let [offset, count] = fields[i];
        let field = (x[i].wide() >> offset) & mask(count);
        let negative = T::MIN < 0 && count > 0 && field >> (count - 1) != 0;
        let expected = T::narrow(if negative {
            field - (1 << count)
        } else {
            field
        });
        assert_eq!(r[i], expected, "{kernel}({:?}, {offset}, {count})", x[i]);
    }

    r.copy_from_slice(&base);
    let kernel = format!("insert_bits_{}", T::NAME);
    run(
        &KERNELS,
        &kernel,
        COUNT,
        &[x.read(), fields.read(), r.write()],
    );
    for i in 0..COUNT {
        let [offset, count] = fields[i];
        let place = mask(count) << offset;
        let expected = T::narrow(base[i].wide() & !place | (x[i].wide() << offset) & place);
        assert_eq!(
            r[i], expected,
            "{kernel}({:?}, {:?}, {offset}, {count})",
            base[i], x[i]
        );
    }
}

#[test]
fn fields_of_bits_go_in_and_out() {
    let random = &mut Random::new();
    check_fields::<i8>(random);
    check_fields::<u16>(random);
    check_fields::<i32>(random);
    check_fields::<u32>(random);
    check_fields::<u64>(random);
}
