//! The way along the chain of artefacts for one pipeline: what is tried, what is refused and why.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mettle_msl::{Artefact, ConstantValue, Options, Origin, Target, metal};

use super::slot::{Slot, entry};
use super::unit::Unit;
use crate::artefact;
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::pipeline::{CodeOrigin, PipelineInner};

/// What tells apart the artefacts that are compiled of a unit.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct MadeKey {
    target: &'static str,
    constants: ConstantSet,
    /// One kernel, where not all of them compile.
    kernel: Option<String>,
}

/// A pipeline in the making.
pub(super) struct Attempt<'a> {
    unit: &'a Unit,
    device: &'a Device,
    kernel: &'a str,
    constants: &'a ConstantSet,
    /// What should have served and did not.
    refused: Vec<Error>,
    /// What there is none of.
    lacking: Vec<String>,
    /// An artefact for the device without the kernel.
    without: Option<Arc<Artefact>>,
}

impl<'a> Attempt<'a> {
    pub fn new(
        unit: &'a Unit,
        device: &'a Device,
        kernel: &'a str,
        constants: &'a ConstantSet,
    ) -> Self {
        Attempt {
            unit,
            device,
            kernel,
            constants,
            refused: Vec::new(),
            lacking: Vec::new(),
            without: None,
        }
    }

    /// Tries an artefact. `None`: it does not serve.
    ///
    /// # Errors
    /// What no other artefact can make good.
    pub fn slot(&mut self, slot: &Slot) -> Result<Option<Arc<PipelineInner>>> {
        let artefact = match slot.artefact(self.unit.name()) {
            Ok(artefact) => artefact,
            Err(error) => {
                self.refused.push(error);
                return Ok(None);
            }
        };
        let Some(kernel) = artefact::kernel(artefact, self.kernel) else {
            self.without = Some(artefact.clone());
            return Ok(None);
        };
        match slot.pipeline(self.device, artefact, kernel, self.constants) {
            Ok(pipeline) => {
                self.served(slot, pipeline.origin);
                Ok(Some(pipeline))
            }
            Err(error @ Error::Constant { .. }) => Err(error),
            Err(error) => {
                self.refused.push(error);
                Ok(None)
            }
        }
    }

    /// Tries the cache on disk and the offline compilers of the device's kind.
    ///
    /// # Errors
    /// As [`Attempt::slot`].
    pub fn offline(&mut self) -> Result<Option<Arc<PipelineInner>>> {
        let targets = self.device.targets();
        let compiled = targets.iter().find_map(|name| Target::from_name(name));
        if !targets.contains(&metal::LIBRARY) && compiled.is_none() {
            return Ok(None);
        }
        let made = match compiled {
            Some(target) => self.compiled(target),
            None => self.library(),
        };
        match made {
            Ok(Some(slot)) => self.slot(&slot),
            Ok(None) => Ok(None),
            Err(error @ (Error::UnknownKernel { .. } | Error::Constant { .. })) => Err(error),
            Err(error) => {
                self.refused.push(error);
                Ok(None)
            }
        }
    }

    /// By clang, with the constants compiled in.
    fn compiled(&mut self, target: Target) -> Result<Option<Arc<Slot>>> {
        let Some(source) = self.source()? else {
            return Ok(None);
        };
        let constants = typed(&source, self.kernel, self.constants)?;
        let cache = self.device.inner().registry.cache();
        let make = |kernels: &[&str]| {
            let (artefact, origin) = cache
                .compile(&source, target, Some(&constants), kernels)
                .map_err(|error| Error::compile(&source.name, &error))?;
            Ok(Slot::made(artefact, Some(self.constants), origin.into()))
        };
        let key = |kernel: Option<&str>| MadeKey {
            target: target.name(),
            constants: *self.constants,
            kernel: kernel.map(str::to_owned),
        };
        let all = entry(&self.unit.made, key(None));
        match all.get_or_init(|| make(&[])) {
            // Its other kernels may be to blame.
            Err(Error::Compile { .. }) if source.kernels.len() > 1 => {
                let one = entry(&self.unit.made, key(Some(self.kernel)));
                one.get_or_init(|| make(&[self.kernel])).clone()
            }
            made => made.clone(),
        }
        .map(Some)
    }

    /// By Xcode's Metal compiler; Metal sets the constants.
    fn library(&mut self) -> Result<Option<Arc<Slot>>> {
        let Some(source) = self.flat_source()? else {
            return Ok(None);
        };
        if let Err(reason) = metal::compiler() {
            self.lacking.push(reason.clone());
            return Ok(None);
        }
        let cell = entry(
            &self.unit.made,
            MadeKey {
                target: metal::LIBRARY,
                constants: ConstantSet::EMPTY,
                kernel: None,
            },
        );
        let cache = self.device.inner().registry.cache();
        cell.get_or_init(|| {
            let (artefact, origin) = cache
                .compile_library(&source, self.device.inner().backend.platform())
                .map_err(|error| Error::compile(&source.unit, &error))?;
            Ok(Slot::made(artefact, None, origin.into()))
        })
        .clone()
        .map(Some)
    }

    /// By Metal, from the source of this kernel alone: the unit's was refused, and another kernel may be to blame.
    ///
    /// # Errors
    /// As [`Attempt::slot`].
    pub fn alone(&mut self) -> Result<Option<Arc<PipelineInner>>> {
        if self.refused.is_empty() {
            return Ok(None);
        }
        let key = MadeKey {
            target: metal::SOURCE,
            constants: ConstantSet::EMPTY,
            kernel: Some(self.kernel.to_owned()),
        };
        let cell = entry(&self.unit.made, key);
        let made = cell.get_or_init(|| {
            let expanded = self.expanded()?;
            let part = metal::alone(&expanded, self.kernel)
                .map_err(|error| Error::compile(self.unit.name(), &error))?;
            Ok(Slot::of_part(part))
        });
        match made {
            Ok(slot) => self.slot(slot),
            Err(error) => {
                self.lacking.push(format!(
                    "its source cannot be compiled without that of other kernels: {error}"
                ));
                Ok(None)
            }
        }
    }

    /// What the source of one kernel is taken from.
    fn expanded(&self) -> Result<Arc<Artefact>> {
        let find = |target: &str| self.unit.slots.iter().find(|slot| slot.target == target);
        if let Some(slot) = find(metal::EXPANDED) {
            return slot.artefact(self.unit.name()).cloned();
        }
        let Some(source) = find(metal::SOURCE) else {
            return Err(Error::Artefact {
                unit: self.unit.name().to_owned(),
                reason: "its source is not there".to_owned(),
            });
        };
        metal::expand(source.artefact(self.unit.name())?)
            .map(Arc::new)
            .map_err(|error| Error::compile(self.unit.name(), &error))
    }

    /// The unit's text as one, if there is one.
    fn flat_source(&mut self) -> Result<Option<Arc<Artefact>>> {
        let mut slots = self.unit.slots.iter();
        let Some(slot) = slots.find(|slot| slot.target == metal::SOURCE) else {
            self.lacking.push("its source is not there".to_owned());
            return Ok(None);
        };
        let source = slot.artefact(self.unit.name())?;
        if artefact::kernel(source, self.kernel).is_none() {
            return Err(unknown(self.unit, self.kernel, source));
        }
        Ok(Some(source.clone()))
    }

    /// The unit to compile, if there is one.
    fn source(&mut self) -> Result<Option<Arc<mettle_msl::Unit>>> {
        let unit = self.unit;
        let source = match unit.source.get() {
            Some(source) => source.clone()?,
            None => {
                let Some(flat) = self.flat_source()? else {
                    return Ok(None);
                };
                unit.source.get_or_init(|| read(&flat).map(Some)).clone()?
            }
        };
        let Some(source) = source else {
            return Ok(None);
        };
        if source.kernel(self.kernel).is_err() {
            let names: Vec<&str> = source.kernels.iter().map(|k| k.name.as_str()).collect();
            return Err(Error::UnknownKernel {
                unit: unit.name().to_owned(),
                kernel: self.kernel.to_owned(),
                known: names.join(", "),
            });
        }
        Ok(Some(source))
    }

    /// Tells what served where it was not the first choice.
    fn served(&self, slot: &Slot, origin: CodeOrigin) {
        let generic = slot.constants.is_none();
        let units = &self.unit.slots;
        if let Some(first) = self.refused.first() {
            let registry = &self.device.inner().registry;
            registry.stats.fallbacks.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                unit = self.unit.name(),
                kernel = self.kernel,
                reason = %first,
                "fell back to {} ({origin})", slot.target
            );
        } else if generic && units.iter().any(|slot| slot.constants.is_some()) {
            tracing::info!(
                unit = self.unit.name(),
                kernel = self.kernel,
                constants = ?self.constants,
                "no artefact was compiled with these constants; taking the generic one"
            );
        } else if origin != CodeOrigin::Embedded {
            tracing::info!(
                unit = self.unit.name(),
                kernel = self.kernel,
                lacking = self.lacking.join("; "),
                "nothing embedded serves; taking {} ({origin})",
                slot.target
            );
        }
    }

    /// Why there is no pipeline.
    pub fn failure(mut self) -> Error {
        // Of several the last is of what was nearest to the source; it says most.
        if let Some(mut last) = self.refused.pop() {
            if let Error::Artefact { reason, .. } = &mut last {
                let before = self.refused.iter().map(ToString::to_string);
                for also in before.chain(self.lacking) {
                    reason.push_str(&format!("; {also}"));
                }
            }
            return last;
        }
        if let Some(artefact) = self.without {
            return unknown(self.unit, self.kernel, &artefact);
        }
        let slots = self.unit.slots.iter();
        let mut present: Vec<&str> = slots.map(|slot| &*slot.target).collect();
        present.sort_unstable();
        present.dedup();
        Error::NoArtefact {
            unit: self.unit.name().to_owned(),
            kernel: self.kernel.to_owned(),
            wanted: self.device.targets().join(" or "),
            constants: match self.constants.entries() {
                [] => String::new(),
                _ => format!(" with constants {:?}", self.constants),
            },
            present: [vec![present.join(", ")], self.lacking].concat().join("; "),
        }
    }
}

impl From<Origin> for CodeOrigin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Cached => CodeOrigin::Cached,
            Origin::Compiled => CodeOrigin::Compiled,
        }
    }
}

/// Reads what is embedded as source.
fn read(flat: &Artefact) -> Result<Arc<mettle_msl::Unit>> {
    let text = std::str::from_utf8(&flat.code).map_err(|error| Error::Artefact {
        unit: flat.unit.clone(),
        reason: format!("its source is no text: {error}"),
    })?;
    mettle_msl::Unit::from_source(&flat.unit, text, &Options::default())
        .map(Arc::new)
        .map_err(|error| Error::compile(&flat.unit, &error))
}

/// Constants as the unit declares them.
fn typed(
    unit: &mettle_msl::Unit,
    kernel: &str,
    constants: &ConstantSet,
) -> Result<Vec<(u32, ConstantValue)>> {
    let value = |&(index, bits): &(u32, u64)| {
        let declared = unit.constants.iter().find(|c| c.index == index);
        let declared = declared.ok_or_else(|| Error::Constant {
            kernel: kernel.to_owned(),
            index,
            reason: "is not declared by the kernel's unit",
        })?;
        let value = ConstantValue::from_bits(bits, declared.scalar);
        let value = value.ok_or_else(|| Error::Constant {
            kernel: kernel.to_owned(),
            index,
            reason: "has bits that are no value of its type",
        })?;
        Ok((index, value))
    };
    constants.entries().iter().map(value).collect()
}

fn unknown(unit: &Unit, kernel: &str, artefact: &Artefact) -> Error {
    let known: Vec<&str> = artefact.kernels.iter().map(|k| k.name.as_str()).collect();
    Error::UnknownKernel {
        unit: unit.name().to_owned(),
        kernel: kernel.to_owned(),
        known: known.join(", "),
    }
}
