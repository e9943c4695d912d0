//! How far a device's result may be from the host reference's.

use mettle_gpu::{ConstantSet, Format};

/// What the host reference says about one element of an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    value: f64,
    magnitude: f64,
    untouched: bool,
}

impl Expected {
    /// `value`, computed in f64 as a sum whose terms have absolute values that add up to `magnitude`: the result may
    /// be off by `8 * eps * magnitude`, eps being that of the f32 accumulator.
    pub fn near(value: f64, magnitude: f64) -> Expected {
        Expected {
            value,
            magnitude,
            untouched: false,
        }
    }

    /// Exactly `value`: copies, indices, and infinities.
    pub fn exact(value: impl Into<f64>) -> Expected {
        Expected {
            value: value.into(),
            magnitude: 0.0,
            untouched: false,
        }
    }

    /// Not written at all: the element must still hold the poison of [`Run::output`](super::Run::output).
    pub fn untouched() -> Expected {
        Expected {
            value: f64::NAN,
            magnitude: 0.0,
            untouched: true,
        }
    }

    /// The value of this element.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The sum of the absolute values of its terms.
    pub(crate) fn magnitude(&self) -> f64 {
        self.magnitude
    }
}

/// Bounds of a family of kernels. An output passes when both hold and no element was left unwritten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Largest normalised mean squared error: sum of squared errors over sum of squared expected values.
    pub nmse: f64,
    /// Factor of `eps * magnitude` that the error of one element may reach.
    pub steps: f64,
}

impl Tolerance {
    /// Elementwise kernels, norms, rotary embedding, softmax.
    pub const ELEMENTWISE: Tolerance = Tolerance {
        nmse: 1e-12,
        steps: 8.0,
    };
    /// Matrix products and attention, against the decoded weights.
    pub const MATMUL: Tolerance = Tolerance {
        nmse: 1e-10,
        steps: 8.0,
    };
    /// Copies, integer results and choices: nothing but the very value.
    pub const EXACT: Tolerance = Tolerance {
        nmse: 0.0,
        steps: 0.0,
    };
}

/// What running a case found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Elements compared.
    pub elements: usize,
    /// Normalised mean squared error of the worst output; infinite when a value is NaN or infinite where it should
    /// not be.
    pub nmse: f64,
    /// Largest error of one element as a fraction of its bound: at most 1 passes.
    pub worst: f64,
    /// The element with that error.
    pub worst_at: Option<Element>,
    /// Elements that should have been written and still hold the poison.
    pub unwritten: usize,
    /// Elements (or bytes beside a tensor) that were written and should not have been.
    pub overwritten: usize,
    /// The values of the function constants of each launch of the kernel that the case names.
    pub launched: Vec<ConstantSet>,
    /// Permuted orders of threads, SIMD groups and threadgroups that it ran in; none on devices that choose the
    /// order themselves.
    pub orders: u32,
    /// Seeds of those that gave other bits.
    pub unstable_orders: Vec<u64>,
    /// Whether it gave other bits when it ran again with launches that may overlap: on devices that choose the order themselves.
    pub unstable_overlap: bool,
    /// Whether everything is within its bound.
    pub passed: bool,
}

/// One element of an output, in words a person can act on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Element {
    /// Index in the flattened output.
    pub index: usize,
    /// What the reference computed.
    pub expected: f64,
    /// What the device computed.
    pub actual: f64,
}

impl Outcome {
    /// Adds the comparison of another output, or of the same output of another launch.
    pub(super) fn merge(&mut self, other: Outcome) {
        self.elements += other.elements;
        self.nmse = self.nmse.max(other.nmse);
        if other.worst > self.worst {
            (self.worst, self.worst_at) = (other.worst, other.worst_at);
        }
        self.unwritten += other.unwritten;
        self.overwritten += other.overwritten;
    }

    /// Decides [`Outcome::passed`].
    pub(super) fn judge(&mut self, tolerance: Tolerance) {
        self.passed = !self.launched.is_empty()
            && self.elements > 0
            && self.nmse <= tolerance.nmse
            && self.worst <= 1.0
            && self.unwritten == 0
            && self.overwritten == 0
            && self.unstable_orders.is_empty()
            && !self.unstable_overlap;
    }
}

/// What the device left in one element.
pub(super) struct Actual {
    pub value: f64,
    /// Whether the element's bytes are the poison that outputs are filled with.
    pub untouched: bool,
}

/// Below this many elements the terms of all sums may cancel by chance: errors are then normalised by the sizes of the
/// terms.
const FEW: usize = 8;

/// Compares one output, whose elements have the type `format`.
pub(super) fn compare(
    tolerance: Tolerance,
    format: Format,
    actual: impl Iterator<Item = Actual>,
    expected: &[Expected],
) -> Outcome {
    let mut outcome = Outcome {
        elements: expected.len(),
        ..Outcome::default()
    };
    let few = expected.len() < FEW;
    let (mut error_squares, mut squares) = (0.0f64, 0.0f64);
    for (index, (actual, expected)) in actual.zip(expected).enumerate() {
        if expected.untouched {
            outcome.overwritten += usize::from(!actual.untouched);
            continue;
        }
        let excess = excess_error(format, actual.value, expected.value);
        outcome.unwritten += usize::from(excess != 0.0 && actual.untouched);
        let bound = tolerance.steps * f64::from(f32::EPSILON) * expected.magnitude;
        let ratio = if excess == 0.0 { 0.0 } else { excess / bound };
        if ratio > outcome.worst {
            outcome.worst = ratio;
            outcome.worst_at = Some(Element {
                index,
                expected: expected.value,
                actual: actual.value,
            });
        }
        error_squares += excess * excess;
        let size = if few {
            expected.value.abs().max(expected.magnitude)
        } else {
            expected.value
        };
        squares += if size.is_finite() { size * size } else { 0.0 };
    }
    outcome.nmse = if error_squares == 0.0 {
        0.0
    } else {
        error_squares / squares
    };
    outcome
}

/// The error beyond half a step of the output's type; infinite where a NaN or an infinity does not match.
fn excess_error(format: Format, actual: f64, expected: f64) -> f64 {
    if actual == expected || (actual.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let error = (actual - expected).abs();
    if error.is_finite() {
        (error - half_step(format, expected)).max(0.0)
    } else {
        f64::INFINITY
    }
}

/// Half the distance between neighbours of `value` among the numbers of a half-precision format; zero for others,
/// where the bound of the accumulator covers it.
fn half_step(format: Format, value: f64) -> f64 {
    let (mantissa_bits, smallest_exponent) = match format {
        Format::F16 => (10, -14),
        Format::BF16 => (7, -126),
        _ => return 0.0,
    };
    let exponent = if value == 0.0 {
        smallest_exponent
    } else {
        value.abs().log2().floor() as i32
    };
    (f64::from(exponent.max(smallest_exponent)) - f64::from(mantissa_bits + 1)).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(format: Format, actual: &[(f64, bool)], expected: &[Expected]) -> Outcome {
        let actual = actual
            .iter()
            .map(|&(value, untouched)| Actual { value, untouched });
        let mut outcome = compare(Tolerance::MATMUL, format, actual, expected);
        outcome.launched = vec![ConstantSet::EMPTY];
        outcome.judge(Tolerance::MATMUL);
        outcome
    }

    #[test]
    fn errors_within_the_bound_pass() {
        let bound = 8.0 * f64::from(f32::EPSILON) * 4.0;
        let expected = [
            Expected::near(1.0, 4.0),
            Expected::exact(f64::NEG_INFINITY),
            Expected::untouched(),
        ];
        let inside = [
            (1.0 + 0.9 * bound, false),
            (f64::NEG_INFINITY, false),
            (f64::NAN, true),
        ];
        let found = outcome(Format::F32, &inside, &expected);
        assert!(
            found.passed && (0.89..0.91).contains(&found.worst),
            "{found:?}"
        );

        let outside = [(1.0 + 1.1 * bound, false), inside[1], inside[2]];
        let found = outcome(Format::F32, &outside, &expected);
        assert!(
            !found.passed && found.worst > 1.0 && found.worst_at.unwrap().index == 0,
            "{found:?}"
        );
    }

    #[test]
    fn unwritten_overwritten_and_nan_fail() {
        let unwritten = outcome(
            Format::F32,
            &[(f64::NAN, true)],
            &[Expected::near(1.0, 1.0)],
        );
        assert!(!unwritten.passed && unwritten.unwritten == 1 && unwritten.nmse == f64::INFINITY);
        let overwritten = outcome(Format::F32, &[(0.0, false)], &[Expected::untouched()]);
        assert!(!overwritten.passed && overwritten.overwritten == 1);
        let nan = outcome(
            Format::F32,
            &[(f64::NAN, false)],
            &[Expected::near(1.0, 1.0)],
        );
        assert!(!nan.passed && nan.unwritten == 0 && nan.worst == f64::INFINITY);
        let infinite = outcome(
            Format::F32,
            &[(1.0, false)],
            &[Expected::exact(f64::INFINITY)],
        );
        assert!(!infinite.passed);
        assert!(
            !outcome(Format::F32, &[], &[]).passed,
            "a case that compares nothing proves nothing"
        );
    }

    #[test]
    fn half_outputs_get_half_a_step() {
        // Between 1 and 2 the numbers of f16 are 2^-10 apart, those of bf16 2^-7.
        for (format, step) in [(Format::F16, 2f64.powi(-10)), (Format::BF16, 2f64.powi(-7))] {
            let expected = [Expected::near(1.5, 1.5)];
            assert!(outcome(format, &[(1.5 + 0.5 * step, false)], &expected).passed);
            assert!(!outcome(format, &[(1.5 + 0.6 * step, false)], &expected).passed);
        }
        assert!(
            !outcome(
                Format::F32,
                &[(1.5 + 2f64.powi(-11), false)],
                &[Expected::near(1.5, 1.5)]
            )
            .passed
        );
    }

    #[test]
    fn one_sum_that_cancels_is_judged_by_its_terms() {
        let error = 0.1 * f64::from(f32::EPSILON);
        let sum = [Expected::near(1e-5, 1.0)];
        assert!(outcome(Format::F32, &[(1e-5 + error, false)], &sum).passed);
        let sums = [sum[0]; FEW];
        assert!(!outcome(Format::F32, &[(1e-5 + error, false); FEW], &sums).passed);
    }

    #[test]
    fn a_wrong_value_where_zero_is_exact_fails() {
        assert!(outcome(Format::F32, &[(0.0, false)], &[Expected::exact(0.0f32)]).passed);
        assert!(!outcome(Format::F32, &[(1e-30, false)], &[Expected::exact(0.0f32)]).passed);
    }
}
