//! Experts that stay in their files, and a bounded cache of them on the device.
//!
//! A pass stops at each layer of experts until the host has read which ones its tokens have. Threads begin to read those that are not in the cache;
//! meanwhile the device computes what it can, the expert that all tokens have and those that are there. What has arrived is brought into slots
//! and computed next: in one round for a token, in several where tokens have more experts than there are slots, while the next ones are read.
//! Every product is made by the same kernels as with all experts in memory.

mod layout;
mod readers;
mod slots;
mod source;

use std::{
    mem,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use mettle_gpu::{Device, Pass, Profile, Shape, Tensor};
use mettle_kernels::ops::{self, ExpertRounds, ExpertSlot, MoeLayer};

use crate::{Error, Launches, Result, checkpoint};
pub(crate) use layout::{Layout, MATRICES, tensor_name};
use readers::Readers;
use slots::Slots;
use source::{Files, Source};

/// What a cache of experts has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpertStats {
    /// Experts that a layer's tokens had and that were in the cache; one that several tokens of a pass have counts once.
    pub hits: u64,
    /// Those that were not, and were read.
    pub misses: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// What threads took to read them, added up.
    pub read_time: Duration,
    /// How long nothing was computed because experts were not there yet.
    pub stall_time: Duration,
}

impl ExpertStats {
    /// Part of the experts that were in the cache, from 0 to 1.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            all => self.hits as f64 / all as f64,
        }
    }

    /// What was done since an earlier time.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            hits: self.hits - earlier.hits,
            misses: self.misses - earlier.misses,
            bytes_read: self.bytes_read - earlier.bytes_read,
            read_time: self.read_time - earlier.read_time,
            stall_time: self.stall_time - earlier.stall_time,
        }
    }
}

/// The experts of a model that are on the device, and where the others are.
pub(crate) struct ExpertCache {
    layout: Layout,
    files: Files,
    layers: Vec<Layer>,
    readers: Readers,
    hits: u64,
    misses: u64,
}

/// The experts of a layer.
struct Layer {
    /// Gate, up and down of those in slots, `[slots, rows, columns]`.
    matrices: [Tensor; 3],
    slots: Slots,
    sources: Arc<[Source; 3]>,
}

impl ExpertCache {
    pub(crate) fn new(layout: Layout) -> Result<Self> {
        Ok(Self {
            files: Files::default(),
            layers: Vec::new(),
            readers: Readers::new(layout.buffers, layout.buffer)?,
            layout,
            hits: 0,
            misses: 0,
        })
    }

    /// Bytes of what is on its way into slots.
    pub(crate) fn on_their_way(&self) -> u64 {
        self.layout.on_their_way()
    }

    /// Makes the slots for the experts of a layer, whose tensors these are. Returns what it is known by, and the bytes of the slots.
    pub(crate) fn add(
        &mut self,
        device: &Device,
        layer: usize,
        tensors: [&checkpoint::Tensor; 3],
    ) -> Result<(usize, u64)> {
        let slots = self.layout.slots(layer);
        let experts = tensors[0].info.shape[0];
        let memory = |tensor: &checkpoint::Tensor| -> Result<Tensor> {
            let mut shape = tensor.info.shape.clone();
            shape[0] = slots;
            let memory = Tensor::empty_as(device, tensor.info.format, Shape::new(&shape)?)?;
            Ok(memory.labelled(&tensor.info.name))
        };
        let [gate, up, down] = tensors;
        let matrices = [memory(gate)?, memory(up)?, memory(down)?];
        let files = &mut self.files;
        let sources = Arc::new([
            Source::new(files, gate, experts)?,
            Source::new(files, up, experts)?,
            Source::new(files, down, experts)?,
        ]);
        let bytes = matrices.iter().map(|m| m.byte_len() as u64).sum();
        self.layers.push(Layer {
            matrices,
            slots: Slots::new(slots, experts),
            sources,
        });
        Ok((self.layers.len() - 1, bytes))
    }

    /// What it has done.
    pub(crate) fn stats(&self) -> ExpertStats {
        ExpertStats {
            hits: self.hits,
            misses: self.misses,
            bytes_read: self.readers.bytes_read,
            read_time: self.readers.read_time,
            stall_time: self.readers.stall_time,
        }
    }
}

/// A pass through layers whose experts are read on the way: what is recorded before a layer's experts are known is submitted there.
pub(crate) struct ExpertPass<'a> {
    /// Of this pass alone until it ends: sessions of a model take turns.
    cache: MutexGuard<'a, ExpertCache>,
    submitted: Submitted,
}

/// What was submitted on the way.
pub(crate) struct Submitted {
    pub(crate) launches: Launches,
    pub(crate) profile: Profile,
    /// Whether kernels are timed.
    profiled: bool,
}

impl Submitted {
    /// Runs what is recorded; what follows is recorded into a new pass.
    fn run(&mut self, pass: &mut Pass) -> Result<()> {
        if pass.is_empty() {
            return Ok(());
        }
        let mut next = pass.device().pass();
        next.lend(pass.lent());
        let mut recorded = mem::replace(pass, next);
        self.launches.count += recorded.len();
        self.launches.barriers += recorded.barriers();
        recorded.profile(self.profiled);
        self.profile.merge(&recorded.submit()?.wait_profile()?);
        Ok(())
    }
}

impl<'a> ExpertPass<'a> {
    pub(crate) fn new(cache: MutexGuard<'a, ExpertCache>, profiled: bool) -> Self {
        Self {
            cache,
            submitted: Submitted {
                launches: Launches::default(),
                profile: Profile::default(),
                profiled,
            },
        }
    }

    /// What was submitted on the way; another pass may use the cache then.
    pub(crate) fn end(self) -> Submitted {
        self.submitted
    }

    /// Gate, up and down of the experts in the slots of a layer.
    pub(crate) fn matrices(&self, layer: usize) -> Result<[Tensor; 3]> {
        let layer = self.cache.layers.get(layer).ok_or_else(no_layer)?;
        Ok(layer.matrices.clone())
    }

    /// Runs what is recorded and the layer behind it, but for what is computed last, which is recorded.
    pub(crate) fn record(
        &mut self,
        pass: &mut Pass,
        index: usize,
        layer: MoeLayer<'_>,
        [normed, projected, stream]: [&mut Tensor; 3],
    ) -> Result<()> {
        ops::norm_moe_route(pass, layer, normed, stream)?;
        self.submitted.run(pass)?;
        let chosen = layer.scratch.chosen(stream.rows())?;

        let cache = &mut *self.cache;
        let Layer {
            matrices,
            slots,
            sources,
        } = cache.layers.get_mut(index).ok_or_else(no_layer)?;
        let plan = slots.plan(&chosen);
        cache.hits += plan.present.len() as u64;
        cache.misses += plan.missing.len() as u64;
        let missing = plan.missing.iter().map(|at| at.expert).collect();
        let mut reading = cache.readers.read(sources, missing);

        let at_a_time = slots
            .len()
            .min(cache.layout.buffers / MATRICES.len())
            .max(1);
        let present = Some(&plan.present[..]).filter(|present| !present.is_empty());
        let of_present = usize::from(present.is_some());
        let missing = plan.missing.chunks(at_a_time);
        let rounds: Vec<&[ExpertSlot]> = present.into_iter().chain(missing).collect();
        let shape = layer.scratch.shape();
        let arranged = ExpertRounds::new(pass.device(), shape, &chosen, &rounds)?;
        ops::norm_moe_shared(pass, layer, normed, stream)?;
        for (number, round) in rounds.iter().enumerate() {
            if number >= of_present {
                // What is recorded needs the slots as they are, and is computed while threads read.
                self.submitted.run(pass)?;
                for &at in *round {
                    slots.empty(at.slot);
                    for matrix in &*matrices {
                        let mut memory = matrix.batch(at.slot as usize)?.bytes().clone();
                        reading.take(|bytes| Ok(memory.write(bytes)?))?;
                    }
                    slots.fill(at);
                }
            }
            ops::norm_moe_round(pass, layer, &arranged, number, normed, stream)?;
        }
        Ok(ops::moe_rounds_add(
            pass, layer, &arranged, projected, stream,
        )?)
    }
}

fn no_layer() -> Error {
    Error::Request("the cache of experts is not the model's".to_owned())
}
