//! The Metal device, against a stand-in for Metal that checks what it is told and runs kernels on the CPU.

#![cfg(feature = "mock-metal")]

mod launches;
mod loading;
mod memory;

use mettle_gpu::{ConstantSet, Device, Library, Pipeline, Preference};
use mettle_msl::{Options, Unit, metal};

/// The devices: with memory shared with the host, with its own, and with no more than every Mac has.
fn devices() -> [Device; 3] {
    ["metal", "metal:discrete", "metal:plain"].map(open)
}

fn open(name: &str) -> Device {
    let preference: Preference = name.parse().unwrap();
    Device::open(preference).unwrap_or_else(|error| panic!("{error}"))
}

/// A library whose source is compiled when it is loaded.
fn library(device: &Device, source: &str) -> Library {
    let source = format!("#include <metal_stdlib>\nusing namespace metal;\n{source}");
    let unit = Unit::from_source("test", &source, &Options::default()).unwrap();
    let artefact = metal::source_artefact(&unit, source);
    let bytes = artefact.to_bytes();
    device.library_from("test", vec![(metal::SOURCE.to_owned(), None, bytes)])
}

fn pipeline(device: &Device, source: &str, kernel: &str) -> Pipeline {
    library(device, source)
        .pipeline(kernel, &ConstantSet::EMPTY)
        .unwrap_or_else(|error| panic!("{error}"))
}
