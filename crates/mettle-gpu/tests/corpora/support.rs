//! Compiling one kernel of a file, launching it in several orders of its threads, and comparing with what it should give.

use half::{bf16, f16};
use mettle_corpora::Corpus;
use mettle_gpu::{Buffer, ConstantSet, Device, Grid, Pipeline, Preference};
use mettle_msl::{ConstantValue, Options, Target, Type, Unit};

/// A file of a corpus.
pub struct File {
    unit: Unit,
    device: Device,
}

/// A compiled kernel of a file.
pub struct Kernel {
    pipeline: Pipeline,
    device: Device,
}

/// What an index is bound to. Buffers and values share one numbering, threadgroup memory has its own.
pub enum Bound {
    /// Bytes that the kernel only reads.
    Input(Vec<u8>),
    /// A value.
    Value(Vec<u8>),
    /// Bytes that it writes, filled with NaN before; the result of the launch.
    Output(usize),
    /// An index that stays free.
    Nothing,
    /// Bytes of threadgroup memory.
    Threadgroup(usize),
}

impl File {
    pub fn candle(stem: &str) -> Self {
        Self::read(mettle_corpora::candle(), stem)
    }

    pub fn llama(stem: &str) -> Self {
        Self::read(mettle_corpora::llama(false), stem)
    }

    pub fn llama_tensor(stem: &str) -> Self {
        Self::read(mettle_corpora::llama(true), stem)
    }

    fn read(corpus: Result<Corpus, mettle_corpora::Error>, stem: &str) -> Self {
        let corpus = corpus.unwrap_or_else(|error| panic!("{error}"));
        let file = corpus
            .file(stem)
            .unwrap_or_else(|| panic!("no file {stem}"));
        let options = Options {
            include_dirs: corpus.include_dirs.clone(),
            defines: corpus.defines.clone(),
            ..Options::default()
        };
        Self {
            unit: Unit::from_file(file, &options).unwrap_or_else(|error| panic!("{error}")),
            device: Device::open(Preference::Cpu).expect("the CPU device opens"),
        }
    }

    /// Compiles one kernel, alone, with these function constants (those not named are undefined).
    pub fn kernel(&self, name: &str, constants: &[(&str, ConstantValue)]) -> Kernel {
        let values: Vec<(u32, ConstantValue)> = constants
            .iter()
            .map(|(name, value)| {
                let constant = self.unit.constants.iter().find(|c| c.name == *name);
                (
                    constant
                        .unwrap_or_else(|| panic!("no constant {name}"))
                        .index,
                    *value,
                )
            })
            .collect();
        let target = Target::host_cpu().expect("this CPU runs compiled kernels");
        let artefact = mettle_msl::compile(&self.unit, target, Some(&values), &[name])
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let bits: Vec<(u32, u64)> = values
            .iter()
            .map(|(index, value)| (*index, value.bits()))
            .collect();
        let constants = ConstantSet::new(&bits);
        let compiled = vec![(
            target.name().to_owned(),
            Some(constants),
            artefact.to_bytes(),
        )];
        Kernel {
            pipeline: self
                .device
                .library_from(&self.unit.name, compiled)
                .pipeline(name, &constants)
                .unwrap_or_else(|error| panic!("{error}")),
            device: self.device.clone(),
        }
    }

    /// The bytes of a struct of the file, its fields given by name and everything else zero. A field that is an array takes its values
    /// as `name[0]`, `name[1]` and so on, or all of them alike as `name`.
    pub fn value(&self, name: &str, fields: &[(&str, f64)]) -> Vec<u8> {
        let laid = self.unit.structs.iter().find(|s| s.name == name);
        let laid = laid.unwrap_or_else(|| panic!("no struct {name}"));
        let mut bytes = vec![0; laid.size];
        for (field, value) in fields {
            let (plain, element) = match field.split_once('[') {
                Some((plain, rest)) => (plain, rest.trim_end_matches(']').parse().ok()),
                None => (*field, None),
            };
            let found = laid.fields.iter().find(|f| f.name == plain);
            let found = found.unwrap_or_else(|| panic!("no field {plain} in {name}"));
            let (ty, count) = match &found.ty {
                Type::Array(inner, count) => (inner.as_ref(), *count),
                other => (other, 1),
            };
            let Type::Scalar(scalar) = ty else {
                panic!("{name}.{plain} is no number")
            };
            let range = element.map_or(0..count, |e: usize| e..e + 1);
            for i in range {
                let at = found.offset + i * scalar.size();
                let encoded = match scalar.msl_name() {
                    "float" => (*value as f32).to_le_bytes().to_vec(),
                    "half" => f16::from_f64(*value).to_le_bytes().to_vec(),
                    _ => (*value as i64).to_le_bytes()[..scalar.size()].to_vec(),
                };
                bytes[at..at + encoded.len()].copy_from_slice(&encoded);
            }
        }
        bytes
    }
}

/// The natural order of threads and two drawn ones.
const ORDERS: [Option<u64>; 3] = [None, Some(1), Some(0x5eed)];

impl Kernel {
    /// Launches it in several orders, which must all give the same bytes: those of the one output.
    pub fn run(&self, grid: Grid, bound: &[Bound]) -> Vec<u8> {
        let mut results = ORDERS
            .map(|order| self.run_in(order, grid, bound))
            .into_iter();
        let first = results.next().unwrap_or_default();
        for other in results {
            let differs = first.iter().zip(&other).position(|(a, b)| a != b);
            assert!(
                differs.is_none(),
                "{}: the order of threads changes the result from byte {differs:?} of {}",
                self.pipeline.kernel(),
                first.len()
            );
        }
        first
    }

    fn run_in(&self, order: Option<u64>, grid: Grid, bound: &[Bound]) -> Vec<u8> {
        let upload = |bytes: &[u8]| self.device.upload(bytes).expect("there is memory");
        let mut output: Option<Buffer<u8>> = None;
        let buffers: Vec<Option<Buffer<u8>>> = bound
            .iter()
            .map(|bound| match bound {
                Bound::Input(bytes) => Some(upload(bytes)),
                Bound::Output(size) => {
                    output = Some(upload(&vec![0xff; *size]));
                    output.clone()
                }
                _ => None,
            })
            .collect();
        self.device
            .set_order_seed(order)
            .expect("the CPU device permutes");
        let mut pass = self.device.pass();
        let dispatched = pass.dispatch_pipeline(&self.pipeline, grid, |arguments| {
            let (mut index, mut memory) = (0, 0);
            for (bound, buffer) in bound.iter().zip(&buffers) {
                match (bound, buffer) {
                    (Bound::Threadgroup(bytes), _) => {
                        arguments.threadgroup_memory_at(memory, *bytes);
                        memory += 1;
                        continue;
                    }
                    (Bound::Value(bytes), _) => arguments.value_at(index, bytes),
                    (_, Some(buffer)) => arguments.buffer_at(index, buffer),
                    (_, None) => {}
                }
                index += 1;
            }
        });
        dispatched
            .and_then(|()| pass.submit()?.wait())
            .unwrap_or_else(|error| panic!("{error}"));
        let output = output.expect("one of the arguments is the output");
        output.read().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Bytes of any plain numbers.
pub fn bytes<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

pub fn input<T: bytemuck::Pod>(values: &[T]) -> Bound {
    Bound::Input(bytes(values))
}

pub fn value<T: bytemuck::Pod>(value: T) -> Bound {
    Bound::Value(bytes(&[value]))
}

/// Room for `count` results of type `T`.
pub fn output<T>(count: usize) -> Bound {
    Bound::Output(count * size_of::<T>())
}

/// Results as f64.
pub fn numbers<T: Number>(bytes: &[u8]) -> Vec<f64> {
    bytes
        .chunks_exact(size_of::<T>())
        .map(|b| T::widen(bytemuck::pod_read_unaligned(b)))
        .collect()
}

pub trait Number: bytemuck::Pod {
    fn widen(self) -> f64;
    fn narrow(value: f64) -> Self;
}

macro_rules! numbers {
    ($($ty:ty, $widen:expr, $narrow:expr;)*) => {
        $(impl Number for $ty {
            fn widen(self) -> f64 {
                $widen(self)
            }
            fn narrow(value: f64) -> Self {
                $narrow(value)
            }
        })*
    };
}

numbers! {
    f32, f64::from, |v| v as f32;
    f16, f16::to_f64, f16::from_f64;
    bf16, bf16::to_f64, bf16::from_f64;
    u32, f64::from, |v| v as u32;
    i32, f64::from, |v| v as i32;
    u8, f64::from, |v| v as u8;
}

/// Numbers rounded to `T`: what is bound, and what the kernel sees.
pub fn rounded<T: Number>(values: &[f64]) -> (Vec<T>, Vec<f64>) {
    let narrow: Vec<T> = values.iter().map(|v| T::narrow(*v)).collect();
    let seen = narrow.iter().map(|v| v.widen()).collect();
    (narrow, seen)
}

/// Compares results with what they should be: each within `relative` of its own value plus `absolute`.
pub fn check(what: &str, found: &[f64], expected: &[f64], relative: f64, absolute: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: number of results");
    let mut worst = 0f64;
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        let allowed = relative * expected.abs() + absolute;
        assert!(
            error <= allowed,
            "{what}: result {i} is {found}, expected {expected} within {allowed:e}"
        );
        if allowed > 0.0 {
            worst = worst.max(error / allowed);
        }
    }
    println!(
        "{what}: {} results, worst at {:.0} % of what is allowed",
        found.len(),
        worst * 100.0
    );
}

/// Numbers drawn at random. The seed is printed; METTLE_TEST_SEED sets another one.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = std::env::var("METTLE_TEST_SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(20_261_121);
        println!("METTLE_TEST_SEED={seed}");
        Self(seed)
    }

    /// SplitMix64.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`.
    pub fn number(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn numbers(&mut self, count: usize, low: f64, high: f64) -> Vec<f64> {
        (0..count).map(|_| self.number(low, high)).collect()
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.bits() as u8).collect()
    }
}
