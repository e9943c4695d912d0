//! Cases: inputs from a seed, a host reference, and bounds that the device's result must meet.
//!
//! Every family of kernels has a list of cases beside its ops: `ops/<family>.rs` exports `family()`, and the generated
//! [`ops::families`](crate::ops::families) collects them. A case generates its data, launches through the op (so shape
//! checks and the choice of kernel are tested too), and hands the outputs and the reference's values to [`Run::check`]:
//!
//! ```
//! use mettle_gpu::{Device, Format, Preference};
//! use mettle_kernels::cases::{Expected, Family, Tolerance};
//! use mettle_kernels::ops;
//!
//! let family = Family::new("binary", Tolerance::ELEMENTWISE, |cases| {
//!     for n in [1, 31, 1000] {
//!         cases.add("binary_f32", format!("n{n}"), move |run| {
//!             let (a, b) = (run.rng().normal(n), run.rng().normal(n));
//!             let (x, y) = (run.input(&a, [n])?, run.input(&b, [n])?);
//!             let mut out = run.output(Format::F32, [n])?;
//!             run.pass(|pass| ops::add(pass, &x, &y, &mut out))?;
//!             run.check(&out, || {
//!                 let pairs = a.iter().zip(&b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
//!                 pairs.map(|(a, b)| Expected::near(a + b, a.abs() + b.abs())).collect()
//!             })
//!         });
//!     }
//! });
//!
//! let device = Device::open(Preference::Cpu)?;
//! for case in family.cases(42) {
//!     let outcome = case.run(&device, 2)?;
//!     assert!(outcome.passed, "{}: {outcome:?}", case.replay());
//! }
//! # Ok::<(), mettle_kernels::Error>(())
//! ```
//!
//! A case is replayed by its kernel, its name and the seed ([`Case::replay`]); its data do not depend on which other
//! cases ran.

mod blocks;
mod compare;
mod rng;
mod run;
mod select;

pub use blocks::Blocks;
pub(crate) use blocks::{Scales, all_bytes, random as blocks};
pub use compare::{Element, Expected, Outcome, Tolerance};
pub use rng::Rng;
pub use run::Run;
pub use select::{matches, select};

use crate::Result;
use crate::bench::{Bench, Benches};
use crate::catalogue;
use mettle_gpu::Device;
use std::borrow::Cow;

/// The cases of the kernels of one `.metal` file, and the bounds they share.
#[derive(Clone, Copy)]
pub struct Family {
    name: &'static str,
    tolerance: Tolerance,
    list: fn(&mut Cases),
    benches: fn(&mut Benches),
}

impl Family {
    /// The family of `metal/<name>.metal`; `list` adds its cases.
    pub const fn new(name: &'static str, tolerance: Tolerance, list: fn(&mut Cases)) -> Family {
        Family {
            name,
            tolerance,
            list,
            benches: |_| (),
        }
    }

    /// The family with bench entries, which `benches` adds.
    #[must_use]
    pub const fn benches(mut self, benches: fn(&mut Benches)) -> Family {
        self.benches = benches;
        self
    }

    /// The stem of the `.metal` file.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The bounds of its cases, unless a case says otherwise.
    pub fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// All bench entries.
    pub fn entries(&self) -> Vec<Bench> {
        let mut benches = Benches::new(self.name);
        (self.benches)(&mut benches);
        benches.into_list()
    }

    /// All cases, with data from `seed`.
    pub fn cases(&self, seed: u64) -> Vec<Case> {
        let mut cases = Cases {
            family: *self,
            seed,
            list: Vec::new(),
        };
        (self.list)(&mut cases);
        cases.list
    }
}

/// Collects the cases of a family.
pub struct Cases {
    family: Family,
    seed: u64,
    list: Vec<Case>,
}

impl Cases {
    /// Adds a case of `kernel`, the host name that the launch must reach. `name` tells it from the kernel's other
    /// cases: it says what is special about it, without spaces (`rows3_columns4096`).
    pub fn add(
        &mut self,
        kernel: impl Into<Cow<'static, str>>,
        name: impl Into<String>,
        body: impl Fn(&mut Run<'_>) -> Result<()> + Send + Sync + 'static,
    ) {
        let tolerance = self.family.tolerance;
        self.add_with(tolerance, kernel, name, body);
    }

    /// [`Cases::add`] with other bounds than the family's.
    pub fn add_with(
        &mut self,
        tolerance: Tolerance,
        kernel: impl Into<Cow<'static, str>>,
        name: impl Into<String>,
        body: impl Fn(&mut Run<'_>) -> Result<()> + Send + Sync + 'static,
    ) {
        self.list.push(Case {
            family: self.family.name,
            kernel: kernel.into(),
            name: name.into(),
            seed: self.seed,
            tolerance,
            body: Box::new(body),
        });
    }
}

#[cfg(test)]
impl Cases {
    /// A case of no family, to test the harness.
    fn single(
        seed: u64,
        body: impl Fn(&mut Run<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Case {
        let mut cases = Cases {
            family: Family::new("none", Tolerance::ELEMENTWISE, |_| ()),
            seed,
            list: Vec::new(),
        };
        cases.add("none", "single", body);
        cases.list.remove(0)
    }
}

/// What a case does.
type Body = dyn Fn(&mut Run<'_>) -> Result<()> + Send + Sync;

/// One launch (or a few) whose result is known.
pub struct Case {
    family: &'static str,
    kernel: Cow<'static, str>,
    name: String,
    seed: u64,
    tolerance: Tolerance,
    body: Box<Body>,
}

impl Case {
    /// The family, as in [`Family::name`].
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// The host name of the kernel under test.
    pub fn kernel(&self) -> &str {
        &self.kernel
    }

    /// What tells the case from the kernel's other cases.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its kernel is for a device: see [`catalogue::is_for`].
    pub fn is_for(&self, device: &Device) -> bool {
        catalogue::is_for(self.family, device)
    }

    /// The seed of its data.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its bounds.
    pub fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// The command line that runs this case alone, on the same data.
    pub fn replay(&self) -> String {
        format!(
            "mettle verify --kernel {} --case {} --seed {}",
            self.kernel, self.name, self.seed
        )
    }

    /// Runs the case: once in the device's natural order, compared with the reference, then once for each of
    /// `orders` seeded permutations of threads, SIMD groups and threadgroups, which must give the same bits (where
    /// the device can permute: see [`Outcome::orders`]; else once more, with launches that may overlap).
    ///
    /// # Errors
    /// Those of the op and the device. A wrong result is no error: see [`Outcome::passed`].
    pub fn run(&self, device: &Device, orders: u32) -> Result<Outcome> {
        run::run(self, device, orders)
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} seed {}", self.kernel, self.name, self.seed)
    }
}
