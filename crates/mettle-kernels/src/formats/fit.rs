//! Scales that make the squared error of a group of values small.
//!
//! Between two scales at which a code changes, the error is a parabola in the scale. So a number of scales around the
//! one that just covers the largest value are tried; for each, the nearest codes are fixed, and the scale (and bias)
//! that is best for those codes follows from least squares.

/// What the codes of a format stand for, in units of a scale.
pub(super) trait Levels {
    /// The most negative and the most positive level.
    const ENDS: [f32; 2];
    /// How far apart the levels are that the largest value is placed on in search of a scale.
    const STEP: f32;

    /// The code whose level is nearest to `x`, and that level.
    fn nearest(x: f32) -> (u8, f32);
}

/// Signed integers of so many bits; a code is what a level is above the lowest one.
pub(super) struct Signed<const BITS: u32>;

impl<const BITS: u32> Levels for Signed<BITS> {
    const ENDS: [f32; 2] = [-((1 << (BITS - 1)) as f32), ((1 << (BITS - 1)) - 1) as f32];
    const STEP: f32 = 0.1;

    fn nearest(x: f32) -> (u8, f32) {
        let level = round_within(x, Self::ENDS[0], Self::ENDS[1]);
        ((level - Self::ENDS[0]) as u8, level)
    }
}

/// The integer nearest to `x` within the bounds, which are integers below 2^22.
///
/// Adding 1.5 * 2^23 leaves no bits for a fraction. Unlike `f32::round` this is no call on any processor.
pub(super) fn round_within(x: f32, low: f32, high: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    (x.clamp(low, high) + NO_FRACTION) - NO_FRACTION
}

/// The value of largest magnitude, the first of equals.
pub(super) fn extreme(values: &[f32]) -> f32 {
    let larger = |most: f32, &value: &f32| match value.abs() > most.abs() {
        true => value,
        false => most,
    };
    values.iter().fold(0.0, larger)
}

/// 1 / `d`, or zero where there is no scale.
pub(super) fn inverse_or_zero(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// The scale `d`, of either sign, with the least `sum (x - d * level)^2` of those tried; zero for zeros.
pub(super) fn scale<L: Levels>(values: &[f32]) -> f32 {
    const TRIES: i32 = 9;
    let inverse = inverse_or_zero(extreme(values));
    // The sum of squares that a scale explains: its error is what remains.
    let (mut explained, mut best) = (0.0, 0.0);
    for end in L::ENDS {
        for k in -TRIES..=TRIES {
            let (product, square) = products::<L>(values, (end + L::STEP * k as f32) * inverse);
            if product * product > explained * square {
                explained = product * product / square;
                best = product / square;
            }
        }
    }
    best
}

/// `sum x * level` and `sum level^2` for the levels nearest to `x * inverse`.
fn products<L: Levels>(values: &[f32], inverse: f32) -> (f32, f32) {
    values.iter().fold((0.0, 0.0), |(product, square), &x| {
        let (_, level) = L::nearest(x * inverse);
        (product + x * level, square + level * level)
    })
}

/// Which biases a format can store.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Bias {
    /// Any.
    Free,
    /// Those that subtract: zero and below.
    Subtracted,
}

/// Scale and bias with the least `sum (x - scale * q - bias)^2` of those tried, for codes `q` from 0 to `top`.
pub(super) fn affine(values: &[f32], top: f32, bias: Bias) -> (f32, f32) {
    const TRIES: i32 = 20;
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for &x in values {
        (low, high) = (low.min(x), high.max(x));
    }
    if bias == Bias::Subtracted {
        low = low.min(0.0);
    }
    let mut best = (0.0, low);
    if high <= low {
        return best;
    }
    let mut least = affine_error(values, best, top);
    let mut consider = |inverse: f32, offset: f32| {
        let fitted = least_squares(values, inverse, offset, top, bias);
        let error = affine_error(values, fitted, top);
        if error < least {
            (least, best) = (error, fitted);
        }
    };
    for k in 0..=TRIES {
        // From a code less than there are, which leaves no value clipped, to a code more.
        let reach = top - 1.0 + 2.0 * k as f32 / TRIES as f32;
        consider(reach / (high - low), low);
    }
    best
}

/// `sum (x - scale * q - bias)^2` with the nearest codes.
pub(super) fn affine_error(values: &[f32], (scale, bias): (f32, f32), top: f32) -> f32 {
    let inverse = inverse_or_zero(scale);
    let square = |&x: &f32| {
        let q = round_within((x - bias) * inverse, 0.0, top);
        (x - scale * q - bias).powi(2)
    };
    values.iter().map(square).sum()
}

/// The best scale and bias for the codes nearest to `(x - offset) * inverse`.
fn least_squares(values: &[f32], inverse: f32, offset: f32, top: f32, bias: Bias) -> (f32, f32) {
    let n = values.len() as f32;
    // Of the values above the offset, so that nothing is lost where all are alike.
    let (mut q1, mut q2, mut y1, mut yq) = (0.0, 0.0, 0.0, 0.0);
    for &x in values {
        let y = x - offset;
        let q = round_within(y * inverse, 0.0, top);
        q1 += q;
        q2 += q * q;
        y1 += y;
        yq += y * q;
    }
    let determinant = n * q2 - q1 * q1;
    // Zero where all codes are the same (what it is made of are integers below 2^24, without rounding).
    let fitted = match determinant > 0.0 {
        true => (
            (n * yq - y1 * q1) / determinant,
            offset + (q2 * y1 - q1 * yq) / determinant,
        ),
        false => (0.0, offset + y1 / n),
    };
    if bias == Bias::Subtracted && fitted.1 > 0.0 && q2 > 0.0 {
        // sum x q / sum q^2, with x = y + offset.
        return ((yq + offset * q1) / q2, 0.0);
    }
    fitted
}
