//! One execution of a case: placed inputs, poisoned outputs, the launch, and the checks.

use super::blocks::{self, Blocks, Scales};
use super::compare::{Actual, compare};
use super::{Case, Expected, Outcome, Rng, Tolerance};
use crate::{Error, Result, formats};
use mettle_gpu::{Buffer, ConstantSet, Device, Format, Pass, Scalar, Shape, Tensor};

/// Bytes of poison on each side of a tensor.
const BORDER: usize = 256;
/// Added to the border in front, so that tensors are aligned to 16 bytes and no more.
const SHIFT: usize = 16;
/// A NaN in every floating-point format, the largest unsigned and -1: out-of-bounds reads poison the result, and
/// what nobody wrote is told from what somebody wrote.
const POISON: u8 = 0xFF;

/// What the body of a case works with. Its methods place tensors so that mistakes show: each lies at an offset
/// inside a larger buffer whose borders are NaN and are checked after the launches.
pub struct Run<'a> {
    device: &'a Device,
    rng: Rng,
    tolerance: Tolerance,
    placed: Vec<Placed>,
    /// The reference run compares values; runs in permuted orders only collect bits.
    reference: bool,
    outcome: Outcome,
    /// Kernels launched in the reference run, and with which function constants.
    launched: Vec<(String, ConstantSet)>,
    /// The bytes of the outputs.
    bits: Vec<u8>,
}

/// A buffer with a tensor of `len` bytes between borders.
struct Placed {
    buffer: Buffer<u8>,
    len: usize,
}

impl<'a> Run<'a> {
    /// The device under test.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// The case's random numbers.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// A tensor that holds `values`. Kernels may write to it where the op allows.
    ///
    /// # Errors
    /// A shape that does not fit the number of values, or memory running out.
    pub fn input<T: Scalar>(&mut self, values: &[T], shape: impl Into<Shape>) -> Result<Tensor> {
        self.place(T::FORMAT, bytemuck::cast_slice(values), shape)
    }

    /// A tensor of `format` that holds `values` rounded to it, and the values it holds.
    ///
    /// # Errors
    /// As [`formats::quantize`], or memory running out.
    pub fn rounded(
        &mut self,
        format: Format,
        values: &[f32],
        shape: impl Into<Shape>,
    ) -> Result<(Tensor, Vec<f32>)> {
        let mut bytes = vec![0; values.len() / format.block_len() * format.block_bytes()];
        formats::quantize(format, values, &mut bytes)?;
        let mut rounded = vec![0.0; values.len()];
        formats::dequantize(format, &bytes, &mut rounded)?;
        Ok((self.place(format, &bytes, shape)?, rounded))
    }

    /// Random weights of `format`, as a tensor of `rows` x `columns` and as the values it holds.
    ///
    /// # Errors
    /// Columns that are not whole blocks, a format the host cannot decode, or memory running out.
    pub fn weights(
        &mut self,
        format: Format,
        rows: usize,
        columns: usize,
    ) -> Result<(Tensor, Vec<f32>)> {
        self.weights_of(Scales::Typical, format, rows, columns)
    }

    /// [`Run::weights`] whose blocks have scales of another size.
    pub(crate) fn weights_of(
        &mut self,
        scales: Scales,
        format: Format,
        rows: usize,
        columns: usize,
    ) -> Result<(Tensor, Vec<f32>)> {
        let count = rows * columns;
        let Blocks { bytes, values } = blocks::random(&mut self.rng, format, count, scales)?;
        Ok((self.place(format, &bytes, [rows, columns])?, values))
    }

    /// Weights of `format` in these bytes, as a tensor of rows of `columns` and as the values it holds.
    pub(crate) fn encoded(
        &mut self,
        format: Format,
        bytes: &[u8],
        columns: usize,
    ) -> Result<(Tensor, Vec<f32>)> {
        let mut values = vec![0.0; bytes.len() / format.block_bytes() * format.block_len()];
        formats::dequantize(format, bytes, &mut values)?;
        let shape = [values.len() / columns, columns];
        Ok((self.place(format, bytes, shape)?, values))
    }

    /// A poisoned tensor.
    ///
    /// # Errors
    /// A shape that is not whole blocks of `format`, or memory running out.
    pub fn output(&mut self, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = shape.rows() * format.row_bytes(shape.columns())?;
        self.place(format, &vec![POISON; bytes], shape)
    }

    /// Records `launches` in a pass, submits it and waits.
    ///
    /// # Errors
    /// Those of the ops and the device.
    pub fn pass(&mut self, launches: impl FnOnce(&mut Pass) -> Result<()>) -> Result<()> {
        let mut pass = self.device.pass();
        // Profiled launches do not overlap; the other runs see to that.
        pass.profile(self.reference);
        launches(&mut pass)?;
        let launched = pass.launches();
        self.launched
            .extend(launched.map(|(kernel, constants)| (kernel.to_owned(), constants)));
        Ok(pass.submit()?.wait()?)
    }

    /// Compares every element of `output` with what the host reference computes. Call it once for each output, after
    /// the launches. `reference` gives one [`Expected`] an element, in memory order; it is not called in runs that
    /// only look for a dependence on the order of threads.
    ///
    /// # Errors
    /// Reading back fails, or the reference has another number of elements.
    pub fn check(
        &mut self,
        output: &Tensor,
        reference: impl FnOnce() -> Vec<Expected>,
    ) -> Result<()> {
        let bytes = output.to_bytes()?;
        if self.reference {
            let expected = reference();
            if expected.len() != output.len() {
                let (given, needed) = (expected.len(), output.len());
                return Err(Error::Argument {
                    op: "check",
                    argument: "reference",
                    reason: format!("has {given} values, must have {needed}"),
                });
            }
            let actual = actual_values(output.format(), &bytes, expected.len())?;
            self.outcome
                .merge(compare(self.tolerance, output.format(), actual, &expected));
        }
        self.bits.extend(bytes);
        Ok(())
    }

    fn place(&mut self, format: Format, bytes: &[u8], shape: impl Into<Shape>) -> Result<Tensor> {
        let mut padded = vec![POISON; BORDER + SHIFT + bytes.len() + BORDER];
        padded[BORDER + SHIFT..][..bytes.len()].copy_from_slice(bytes);
        let buffer = self.device.upload(&padded)?;
        let inner = buffer.slice(BORDER + SHIFT..BORDER + SHIFT + bytes.len())?;
        self.placed.push(Placed {
            buffer,
            len: bytes.len(),
        });
        Ok(Tensor::from_buffer(inner, format, shape)?)
    }

    /// Bytes beside the tensors that a launch changed.
    fn changed_borders(&self) -> Result<usize> {
        let mut changed = 0;
        for placed in &self.placed {
            let bytes = placed.buffer.read()?;
            let (front, rest) = bytes.split_at(BORDER + SHIFT);
            let borders = front.iter().chain(&rest[placed.len..]);
            changed += borders.filter(|&&byte| byte != POISON).count();
        }
        Ok(changed)
    }
}

/// The values of a tensor's bytes, and which elements still are poison.
fn actual_values(format: Format, bytes: &[u8], len: usize) -> Result<impl Iterator<Item = Actual>> {
    let integer =
        |width: usize, value: fn(&[u8]) -> f64| bytes.chunks_exact(width).map(value).collect();
    let values: Vec<f64> = match format {
        Format::I32 => integer(4, |b| {
            f64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        }),
        Format::U32 => integer(4, |b| {
            f64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        }),
        Format::I8 => integer(1, |b| f64::from(b[0] as i8)),
        Format::U8 => integer(1, |b| f64::from(b[0])),
        _ => {
            let mut values = vec![0.0; len];
            formats::dequantize(format, bytes, &mut values)?;
            values.into_iter().map(f64::from).collect()
        }
    };
    let (block_len, block_bytes) = (format.block_len(), format.block_bytes());
    Ok(values.into_iter().enumerate().map(move |(i, value)| {
        let block = &bytes[i / block_len * block_bytes..][..block_bytes];
        Actual {
            value,
            untouched: block.iter().all(|&byte| byte == POISON),
        }
    }))
}

/// Runs a case; see [`Case::run`].
pub(super) fn run(case: &Case, device: &Device, orders: u32) -> Result<Outcome> {
    let rng = || Rng::labelled(case.seed, &[&case.kernel, &case.name]);
    let execute = |reference| -> Result<Run<'_>> {
        let mut run = Run {
            device,
            rng: rng(),
            tolerance: case.tolerance,
            placed: Vec::new(),
            reference,
            outcome: Outcome::default(),
            launched: Vec::new(),
            bits: Vec::new(),
        };
        (case.body)(&mut run)?;
        run.outcome.overwritten += run.changed_borders()?;
        Ok(run)
    };
    let first = execute(true)?;
    let mut outcome = first.outcome;
    let of_case = |(kernel, _): &(String, _)| kernel == case.kernel();
    let launched = first.launched.into_iter().filter(of_case);
    outcome.launched = launched.map(|(_, constants)| constants).collect();
    let mut order_seeds = rng();
    for _ in 0..orders {
        let seed = order_seeds.bits();
        match device.set_order_seed(Some(seed)) {
            // A device that chooses the order itself.
            Err(mettle_gpu::Error::Unsupported { .. }) => {
                outcome.unstable_overlap = execute(false)?.bits != first.bits;
                break;
            }
            set => set?,
        }
        let permuted = execute(false);
        device.set_order_seed(None)?;
        outcome.orders += 1;
        if permuted?.bits != first.bits {
            outcome.unstable_orders.push(seed);
        }
    }
    outcome.judge(case.tolerance);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mettle_gpu::Preference;

    /// What the harness finds when `body` stands in for a kernel that should fill eight elements with ones.
    fn outcome(body: fn(&mut Run<'_>, &mut Tensor) -> Result<()>) -> Outcome {
        let device = Device::open(Preference::Cpu).unwrap();
        let case = crate::cases::Cases::single(1, move |run| {
            let mut out = run.output(Format::F32, [8])?;
            body(run, &mut out)?;
            run.check(&out, || vec![Expected::near(1.0, 1.0); 8])
        });
        run(&case, &device, 2).unwrap()
    }

    #[test]
    fn a_complete_output_is_good() {
        let found = outcome(|_, out| Ok(out.write(&[1.0f32; 8])?));
        let expected = Outcome {
            elements: 8,
            orders: 2,
            passed: false,
            ..Outcome::default()
        };
        assert_eq!(
            found, expected,
            "all is well but that no kernel was launched"
        );
    }

    #[test]
    fn what_nobody_wrote_is_counted() {
        let found = outcome(|_, out| Ok(out.columns_range(0..6)?.write(&[1.0f32; 6])?));
        assert_eq!(
            (found.unwritten, found.nmse, found.passed),
            (2, f64::INFINITY, false)
        );
    }

    #[test]
    fn writes_beside_a_tensor_are_counted() {
        let found = outcome(|run, out| {
            out.write(&[1.0f32; 8])?;
            let end = BORDER + SHIFT + 32;
            Ok(run.placed[0].buffer.slice(end..end + 4)?.write(&[0; 4])?)
        });
        assert_eq!(
            (found.overwritten, found.unwritten, found.passed),
            (4, 0, false)
        );
    }

    #[test]
    fn results_that_depend_on_the_order_are_found() {
        let found = outcome(|run, out| {
            let last = if run.reference {
                1.0
            } else {
                1.0 + f32::EPSILON
            };
            Ok(out.write(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, last])?)
        });
        assert_eq!(
            (found.unstable_orders.len(), found.worst, found.passed),
            (2, 0.0, false)
        );
    }

    #[test]
    fn inputs_hold_their_values() {
        let device = Device::open(Preference::Cpu).unwrap();
        let case = crate::cases::Cases::single(2, |run| {
            let exact = run.input(&[1i32, -2, 3], [3])?;
            run.check(&exact, || [1i32, -2, 3].map(Expected::exact).to_vec())?;
            let (rounded, values) = run.rounded(Format::F16, &[0.1, 1e-9], [2])?;
            run.check(&rounded, || {
                values.iter().map(|&value| Expected::exact(value)).collect()
            })?;
            let (weights, values) = run.weights(Format::Q4_K, 2, 512)?;
            run.check(&weights, || {
                values.iter().map(|&value| Expected::exact(value)).collect()
            })?;
            let untouched = run.output(Format::Q8_0, [1, 32])?;
            run.check(&untouched, || vec![Expected::untouched(); 32])
        });
        let found = run(&case, &device, 0).unwrap();
        assert_eq!(
            found,
            Outcome {
                elements: 3 + 2 + 1024 + 32,
                ..Outcome::default()
            }
        );
    }
}
