//! Turns what a device knows of a fault into what a caller wants to know: names of arguments, places in the source.

use mettle_msl::Artefact;

use crate::artefact::argument;
use crate::backend::RawFault;
use crate::fault::{AccessKind, ArgumentSpace, BoundArgument, Fault, Near, Origin, Site};
use crate::pipeline::PipelineInner;
use crate::recording::{Access, Recording};

/// An access further than this from every argument is near none: as far as an index of 32 bits leads.
const NEAR: u64 = 1 << 34;

/// Completes the fault of a launch.
pub(crate) fn diagnose(recording: &Recording, raw: RawFault) -> Fault {
    let pipeline = recording.pipeline(raw.launch);
    let mut fault = match raw.fault {
        Fault::Access {
            address: Some(address),
            access,
            origin,
            ..
        } => attribute(recording.accesses(raw.launch), address, access, origin),
        fault => fault,
    };
    if let Some(origin) = fault.origin_mut()
        && let Some(address) = raw.code_address
    {
        let site = pipeline.artefact.site_of_instruction(address);
        origin.site = site.map(Site::new);
    }
    name(pipeline, &mut fault);
    locate(&pipeline.artefact, &mut fault);
    fault
}

/// The fault of an access to an address, by the argument that lies there or nearest.
fn attribute(arguments: &[Access], address: u64, access: AccessKind, origin: Origin) -> Fault {
    struct Candidate<'a> {
        distance: u64,
        guarded: bool,
        offset: i64,
        access: &'a Access,
    }
    let candidates = arguments.iter().filter_map(|argument| {
        let storage = &argument.storage;
        let extent = storage.device.backend.extent(storage.raw)?;
        let (first, last) = (extent.address, extent.address + storage.raw.bytes as u64);
        let distance = first
            .saturating_sub(address)
            .max(address.saturating_sub(last));
        let start = extent.address + argument.start as u64;
        Some(Candidate {
            distance,
            guarded: distance < extent.reach,
            offset: address.wrapping_sub(start) as i64,
            access: argument,
        })
    });
    let nearest =
        candidates.min_by_key(|candidate| (candidate.distance, candidate.offset.unsigned_abs()));
    let Some(nearest) = nearest.filter(|nearest| nearest.distance < NEAR) else {
        return Fault::Access {
            address: Some(address),
            access,
            near: None,
            origin,
        };
    };
    let bound = BoundArgument {
        name: String::new(),
        space: ArgumentSpace::Buffer,
        index: nearest.access.index,
    };
    let length = (nearest.access.end - nearest.access.start) as u64;
    let offset = nearest.offset;
    let inside = (0..length as i64).contains(&offset);
    if inside && access == AccessKind::Write && !nearest.access.written {
        return Fault::ConstantWritten {
            argument: bound,
            offset,
            length,
            origin,
        };
    }
    if nearest.guarded && !inside {
        return Fault::OutOfBounds {
            element_size: 1,
            argument: bound,
            access,
            offset,
            length,
            origin,
        };
    }
    Fault::Access {
        address: Some(address),
        access,
        near: Some(Near {
            argument: bound,
            offset,
            length,
        }),
        origin,
    }
}

/// Names the argument that a fault is about.
fn name(pipeline: &PipelineInner, fault: &mut Fault) {
    if let Fault::OutOfBounds {
        argument: bound,
        element_size,
        ..
    } = fault
    {
        let threadgroup = bound.space == ArgumentSpace::Threadgroup;
        let declared = argument(&pipeline.kernel, bound.index, threadgroup);
        *element_size = declared.map_or(1, |declared| declared.size as u64);
    }
    let (Fault::OutOfBounds {
        argument: bound, ..
    }
    | Fault::ConstantWritten {
        argument: bound, ..
    }
    | Fault::Access {
        near: Some(Near {
            argument: bound, ..
        }),
        ..
    }) = fault
    else {
        return;
    };
    let threadgroup = bound.space == ArgumentSpace::Threadgroup;
    if let Some(declared) = argument(&pipeline.kernel, bound.index, threadgroup) {
        bound.name.clone_from(&declared.name);
    }
}

/// Replaces places in the compiled text by those in the `.metal` files.
fn locate(artefact: &Artefact, fault: &mut Fault) {
    let place = |site: &mut Site| {
        if let Some((file, line)) = artefact.locate(site.tag()) {
            site.set_place(file, line);
        }
    };
    fault.sites_mut().into_iter().for_each(place);
}
